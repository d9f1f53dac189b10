"""What was known before training is kept better than by full-model training."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlilt.comparison.claims._base import Case, against_full, case, claim, option
from mlilt.comparison.kept import FIGURES
from mlilt.comparison.results import Group, Row
from mlilt.comparison.study import Study
from mlilt.evaluation.statistics import Sample

_SAYS = {
    "retrieval": "Retrieval in languages that were not trained is better than after full-model training.",
    "zero-shot": "Zero-shot classification in languages that were not trained is better than after full training.",
    "bitext": "The text tower finds translations better than after full-model training.",
    "neighbours": "The vision tower's features know categories better than after full-model training.",
}
_QUANTITIES = {
    "retrieval": "text→image recall@10 in other languages − full training, points",
    "zero-shot": "zero-shot accuracy in other languages − full training, points",
    "bitext": "bitext accuracy − full training, points",
    "neighbours": "k-NN accuracy − full training, points",
}


@claim
class CLAIM:
    test: Literal["retrieval", "zero-shot", "bitext", "neighbours"] = option("retrieval", "what is kept")
    statistic: ClassVar[Literal["difference", "ratio"]] = "difference"
    threshold: ClassVar[float] = 0.0
    scale: ClassVar[float] = 100.0

    @property
    def says(self) -> str:
        return _SAYS[self.test]

    @property
    def quantity(self) -> str:
        return _QUANTITIES[self.test]

    def cases(self, study: Study) -> list[Case]:
        found = []
        seen = set()
        for group, row, full in against_full(study):
            # A joint run is asked once, whatever languages it is reported in.
            folder = group.members(row)[0].folder
            if folder in seen or (self.test == "neighbours" and not row.towers.vision_trains):
                continue
            seen.add(folder)
            if pairs := self._pairs(study, group, row, full):
                found.append(case(study, group, row, pairs))
        return found

    def _pairs(self, study: Study, group: Group, row: Row, full: Row) -> list[tuple[Sample, Sample]]:
        part, figure = FIGURES[self.test]
        pairs = []
        for on in study.things(self.test, part):
            if on in group.trained_on and self.test in ("retrieval", "zero-shot"):
                continue
            ours = study.measured(group.members(row), self.test, on, figure, part)
            theirs = study.measured(group.members(full), self.test, on, figure, part)
            if ours is not None and theirs is not None:
                pairs.append((ours, theirs))
        return pairs
