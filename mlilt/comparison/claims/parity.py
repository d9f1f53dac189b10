"""Training a small share of the parameters is no worse than full-model training, but for a margin."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlilt.comparison.claims._base import Case, against_full, claim, of_queries, option
from mlilt.comparison.study import Study


@claim
class CLAIM:
    below_share: float = option(0.07, "methods that train less than this share of the parameters", gt=0, le=1)
    margin: float = option(3.0, "points of recall@10 that are no loss", ge=0)
    statistic: ClassVar[Literal["difference", "ratio"]] = "difference"
    scale: ClassVar[float] = 100.0
    quantity: ClassVar[str] = "text→image recall@10 − full training, points"

    @property
    def threshold(self) -> float:
        return -self.margin / self.scale

    @property
    def says(self) -> str:
        return (
            f"Training less than {100 * self.below_share:g} % of the parameters is at most {self.margin:g} points of "
            "recall@10 below full-model training."
        )

    def cases(self, study: Study) -> list[Case]:
        return of_queries(study, against_full(study, self.below_share))
