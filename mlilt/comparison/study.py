"""All that a report is made of: comparable runs, what they are worth beyond their own test split, and the claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlilt.assessment import Measured, base_key
from mlilt.comparison.grid import Failure
from mlilt.comparison.results import Group, Row, Run, seed_of
from mlilt.evaluation.statistics import Sample
from mlilt.record import RunRecord

if TYPE_CHECKING:
    from mlilt.comparison.claims import Result
    from mlilt.comparison.experiment import Experiment

# Settings that are axes of an experiment, with how a point on them is told, and what is told where they are not set.
AXES = {
    "concepts": ("{:,} concepts", "all concepts"),
    "min_steps": ("at least {} steps", ""),
    "budget_s": ("{:g} s of training", "no limit of time"),
    "text": ("{}", ""),
    "vision": ("{}", ""),
    "trim_vocab": ("trimmed vocabulary", "whole vocabulary"),
    "epochs": ("{} epochs", ""),
    "held_out": ("without {}", "all categories"),
    "bridge": ("bridge {}", "no bridge"),
    "objective": ("{}", ""),
}


def towers_key(about: RunRecord) -> str:
    """Equal for runs that start from the same towers in the same precision, with the same categories held out."""
    return "-".join((base_key(about), *about.config.held_out))


@dataclass(frozen=True)
class Study:
    """See the module's docstring.

    Attributes:
        groups: comparable runs as evaluated on one language, with one row a method.
        assessed: what each run's folder holds of tests beyond its test split.
        before: the same of the towers that runs started from, by `towers_key`.
        experiment: what was asked, if it has a name.
        claims: what came of the experiment's claims.
        failures: runs that could not be trained, assessed or read.
        base: the experiment before the call changed it.
        against: the run whose method others are held against, as it was named; empty for full-model training.
    """

    groups: list[Group]
    assessed: dict[Path, list[Measured]] = field(default_factory=dict)
    before: dict[str, list[Measured]] = field(default_factory=dict)
    experiment: Experiment | None = None
    claims: list[Result] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    against: str = ""
    base: Experiment | None = None

    @cached_property
    def points(self) -> dict[int, str]:
        """What tells groups of one language apart, by `id(group)`: "50 concepts"; empty where nothing does."""
        # A group asked for all concepts has no such key: that differs too.
        differing = [key for key in AXES if len({repr(g.setting.get(key)) for g in self.groups}) > 1]
        return {
            id(group): ", ".join(filter(None, (_told(key, group.setting.get(key)) for key in differing)))
            for group in self.groups
        }

    def point(self, group: Group) -> str:
        """What tells a group from others of its language."""
        return self.points[id(group)]

    def things(self, test: str, part: str = "") -> list[str]:
        """What runs were put to by a test: languages, pairs of languages, held-out categories; sorted."""
        found = {m.on for measured in self.assessed.values() for m in measured if (m.test, m.part) == (test, part)}
        return sorted(found)

    def found(self, run: Run, test: str, on: str, part: str = "") -> Measured | None:
        """What a run was found to be worth in a test; None if it was not put to it."""
        return _find(self.assessed.get(run.folder, []), test, on, part)

    def measured(
        self, runs: Sequence[Run], test: str, on: str, figure: str = "accuracy", part: str = ""
    ) -> Sample | None:
        """What runs that differ in their seeds alone reached in a test by item; None if not all were put to it."""
        found = [self.found(run, test, on, part) for run in runs]
        return _sample([(seed_of(run), m) for run, m in zip(runs, found, strict=True)], figure)

    def measured_before(
        self, runs: Sequence[Run], test: str, on: str, figure: str = "accuracy", part: str = ""
    ) -> Sample | None:
        """The same of the towers that runs started from: equal for all seeds."""
        there = _find(self.before.get(towers_key(runs[0].record), []), test, on, part)
        return _sample([(seed_of(run), there) for run in runs], figure)

    def rows(self) -> list[tuple[Group, Row]]:
        """Each row with its group."""
        return [(group, row) for group in self.groups for row in group.rows]


def _told(key: str, value: object) -> str:
    said, unset = AXES[key]
    if not value:
        return unset
    return said.format(f"{len(value)} categories" if isinstance(value, list) else value)


def _find(measured: Sequence[Measured], test: str, on: str, part: str) -> Measured | None:
    return next((m for m in measured if (m.test, m.on, m.part) == (test, on, part)), None)


def _sample(found: Sequence[tuple[int, Measured | None]], figure: str) -> Sample | None:
    there = [(seed, m) for seed, m in found if m is not None and figure in m.values]
    if not there or len(there) < len(found):
        return None
    first = there[0][1]
    if any(m.items != first.items for _, m in there) or len(set(first.clusters)) < 2:
        return None
    return Sample(
        values=np.array([m.values[figure] for _, m in there]),
        seeds=tuple(seed for seed, _ in there),
        items=tuple(first.items),
        clusters=tuple(first.clusters),
    )
