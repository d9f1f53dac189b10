"""Training a tiny share of the parameters reaches a share of what full-model training does."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlilt.comparison.claims._base import Case, against_full, claim, of_queries, option
from mlilt.comparison.study import Study


@claim
class CLAIM:
    below_share: float = option(0.01, "methods that train less than this share of the parameters", gt=0, le=1)
    share: float = option(0.75, "of the recall@10 of full training", gt=0, le=1)
    statistic: ClassVar[Literal["difference", "ratio"]] = "ratio"
    scale: ClassVar[float] = 100.0
    quantity: ClassVar[str] = "text→image recall@10 over that of full training, %"

    @property
    def threshold(self) -> float:
        return self.share

    @property
    def says(self) -> str:
        return (
            f"Training less than {100 * self.below_share:g} % of the parameters reaches more than "
            f"{100 * self.share:g} % of the recall@10 of full-model training."
        )

    def cases(self, study: Study) -> list[Case]:
        return of_queries(study, against_full(study, self.below_share))
