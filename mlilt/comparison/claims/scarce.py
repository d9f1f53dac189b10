"""Where pairs are scarce, training a part of the parameters is better than full-model training."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlilt.comparison.claims._base import Case, against_full, case, claim, option
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
        return [
            case(study, group, row, [(group.sample(row), group.sample(full))])
            for group, row, full in against_full(study)
            if (group.setting.get("concepts") or self.concepts + 1) <= self.concepts
        ]
