"""One model of many languages is better than one model a language."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlilt.comparison.claims._base import Case, claim
from mlilt.comparison.results import Group
from mlilt.comparison.study import Study
from mlilt.comparison.words import label, language_name


@claim
class CLAIM:
    statistic: ClassVar[Literal["difference", "ratio"]] = "difference"
    threshold: ClassVar[float] = 0.0
    scale: ClassVar[float] = 100.0
    says: ClassVar[str] = "One model that is trained on all languages together is better than one model a language."
    quantity: ClassVar[str] = "text→image recall@10 of the joint model − of the language's own, points"

    def cases(self, study: Study) -> list[Case]:
        found = []
        single = [group for group in study.groups if len(group.trained_on) == 1]
        for joint in study.groups:
            if len(joint.trained_on) == 1:
                continue
            for own in single:
                if not _alike(own, joint):
                    continue
                for row in joint.rows:
                    alone = next((r for r in own.rows if r.towers == row.towers), None)
                    if alone is not None:
                        pairs = [(joint.sample(row), own.sample(alone))]
                        where = language_name(joint.language)
                        found.append(Case(label(joint, row), where, f"{len(joint.trained_on)} together", pairs))
        return found


def _alike(own: Group, joint: Group) -> bool:
    """Whether both were asked in one language and differ in what they were trained on alone."""
    data = ("lang", "data_sha256")
    return own.language == joint.language and own.but_for(data) == joint.but_for(data)
