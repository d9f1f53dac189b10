"""Where pairs are scarce, training a part of the parameters is better than full-model training."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlilt.comparison.claims._base import Case, against_full, claim, of_queries, option
from mlilt.comparison.results import Group
from mlilt.comparison.study import Study


@claim
class CLAIM:
    concepts: int = option(200, "training concepts up to which pairs are scarce")
    statistic: ClassVar[Literal["difference", "ratio"]] = "difference"
    threshold: ClassVar[float] = 0.0
    scale: ClassVar[float] = 100.0
    quantity: ClassVar[str] = "text→image recall@10 − full training, points"

    @property
    def says(self) -> str:
        return f"With up to {self.concepts:,} concepts, training a part is better than full-model training."

    def cases(self, study: Study) -> list[Case]:
        scarce = (held for held in against_full(study) if self._is_scarce(held[0]))
        return of_queries(study, scarce)

    def _is_scarce(self, group: Group) -> bool:
        concepts = group.setting.get("concepts")
        return concepts is not None and concepts <= self.concepts
