"""In a fixed time on the same hardware, the best that training a part reaches is better than full training's best."""

from __future__ import annotations

import json
from typing import ClassVar, Literal

import numpy as np

from mlilt.comparison.claims._base import Case, case, claim
from mlilt.comparison.results import CLIP, LIT, Group, Row, Towers, baseline, samples
from mlilt.comparison.study import Study

_TOWERS = ("text", "vision", "trim_vocab", "text_sha256", "vision_sha256")


@claim
class CLAIM:
    statistic: ClassVar[Literal["difference", "ratio"]] = "difference"
    threshold: ClassVar[float] = 0.0
    scale: ClassVar[float] = 100.0
    says: ClassVar[str] = (
        "In the same time, with the towers that the validation split says are best for it, training a part is better "
        "than full-model training."
    )
    quantity: ClassVar[str] = "text→image recall@10 − full training in the same time, points"

    def cases(self, study: Study) -> list[Case]:
        best: dict[str, dict[Towers, tuple[float, Group, Row]]] = {}
        for group, row in study.rows():
            if group.setting.get("budget_s") is None:
                continue
            curves = [run.record.validation for run in group.members(row)]
            reached = float(np.mean([curve[-1]["text_to_image_recall_at_10"] for curve in curves if curve] or [0.0]))
            # On the same hardware and data: what differs in the towers alone.
            place = json.dumps([group.language, group.but_for(_TOWERS)], sort_keys=True)
            methods = best.setdefault(place, {})
            if row.towers not in methods or reached > methods[row.towers][0]:
                methods[row.towers] = (reached, group, row)
        found = []
        for methods in best.values():
            for towers, (_, group, row) in methods.items():
                kind = baseline(towers, [kind for kind in (LIT, CLIP) if kind in methods])
                if kind is None or towers in (LIT, CLIP):
                    continue
                _, of_full, full = methods[kind]
                made = case(study, group, row, [samples(group.members(row), of_full.members(full))])
                point = f"{group.setting['budget_s']:g} s; {_sizes(group)} against {_sizes(of_full)}"
                found.append(Case(made.subject, made.where, point, made.pairs))
        return found


def _sizes(group: Group) -> str:
    return f"{group.setting['text']} + {group.setting['vision']}"
