"""A method gets better with larger towers, or with more data."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import pydantic

from mlilt.comparison.claims._base import Case, case, claim, option
from mlilt.comparison.results import Group
from mlilt.comparison.study import Study
from mlilt.config import RunConfig


@claim
class CLAIM:
    axis: str = option("concepts", "setting that grows")
    order: list[str | int | bool] = option([], 'its values, the smallest first; "default" where it is left out')
    statistic: ClassVar[Literal["difference", "ratio"]] = "difference"
    threshold: ClassVar[float] = 0.0
    scale: ClassVar[float] = 100.0

    @pydantic.field_validator("axis")
    @classmethod
    def _is_a_setting(cls, axis: str) -> str:
        if axis not in RunConfig.model_fields:
            raise ValueError(f"{axis} is no setting of a run")
        return axis

    @property
    def says(self) -> str:
        order = ", ".join(map(str, self.order)) if self.order else "its values in their order"
        return f"Every method gets better along {self.axis}: {order}."

    @property
    def quantity(self) -> str:
        return f"text→image recall@10 at one {self.axis} − at the one before, points"

    def cases(self, study: Study) -> list[Case]:
        found = []
        for smaller, larger in pairwise(self.order):
            for group in study.groups:
                if self._value(group) != larger:
                    continue
                other = next((g for g in study.groups if self._value(g) == smaller and self._alike(g, group)), None)
                before = {row.towers: row for row in reversed(other.rows)} if other else {}
                found += [
                    case(study, group, row, [(group.sample(row), other.sample(before[row.towers]))])
                    for row in group.rows
                    if other is not None and row.towers in before
                ]
        return found

    def _value(self, group: Group) -> object:
        value = group.setting.get(self.axis)
        return "default" if value == RunConfig.model_fields[self.axis].default and "default" in self.order else value

    def _alike(self, one: Group, other: Group) -> bool:
        """Whether two groups differ in the axis alone, and in what follows from it."""
        follows = {self.axis, f"{self.axis}_sha256", "min_steps"}
        return one.language == other.language and one.but_for(follows) == other.but_for(follows)
