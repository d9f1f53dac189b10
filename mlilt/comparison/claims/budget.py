"""In a fixed time on the same hardware, the best that training a part reaches is better than full training's best."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from mlilt.comparison.claims._base import Case, case, claim
from mlilt.comparison.results import LIT, Group, Row, Towers
from mlilt.comparison.study import Study


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
        best: dict[tuple[str, str, float], dict[Towers, tuple[float, Group, Row]]] = {}
        for group, row in study.rows():
            budget = group.setting.get("budget_s")
            if budget is None:
                continue
            curves = [run.record.validation for run in group.members(row)]
            reached = float(np.mean([curve[-1]["text_to_image_recall_at_10"] for curve in curves if curve] or [0.0]))
            methods = best.setdefault((group.language, str(group.setting["lang"]), budget), {})
            if row.towers not in methods or reached > methods[row.towers][0]:
                methods[row.towers] = (reached, group, row)
        found = []
        for methods in best.values():
            if LIT not in methods:
                continue
            _, of_full, full = methods[LIT]
            for towers, (_, group, row) in methods.items():
                if towers != LIT:
                    made = case(study, group, row, [(group.sample(row), of_full.sample(full))])
                    budget = f"{group.setting['budget_s']:g} s; {_sizes(group)} against {_sizes(of_full)}"
                    found.append(Case(made.subject, made.where, budget, made.pairs))
        return found


def _sizes(group: Group) -> str:
    return f"{group.setting['text']} + {group.setting['vision']}"
