"""What was measured as figures with intervals, beside what chance and the towers before training reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlilt.assessment._assess import load
from mlilt.assessment._base import Measured
from mlilt.evaluation.statistics import Estimate, Sample, difference, mean


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one test on one thing.

    Attributes:
        name: the figure's.
        estimate: mean over items with its 95 % interval: over items alone, since a run has one seed.
        chance: what a random order reaches, if that is known.
        before: the same of the towers before training, if they can be asked.
        change: since then, paired by item.
    """

    name: str
    estimate: Estimate
    chance: float | None
    before: Estimate | None
    change: Estimate | None


def figures(measured: Measured, before: Measured | None = None) -> list[Figure]:
    """All figures of what was measured.

    Args:
        measured: of a run.
        before: the same of the towers that it started from.
    """
    found = []
    for name in measured.values:
        ours = _sample(measured, name)
        theirs = _sample(before, name) if before else None
        found.append(
            Figure(
                name,
                mean(ours),
                measured.chance.get(name),
                mean(theirs) if theirs else None,
                difference([(ours, theirs)]) if theirs else None,
            )
        )
    return found


def match(measured: Measured, among: Sequence[Measured]) -> Measured | None:
    """What was measured by the same test, on the same thing."""
    key = (measured.test, measured.on, measured.part)
    return next((other for other in among if (other.test, other.on, other.part) == key), None)


def report(measured: Sequence[Measured], before: Sequence[Measured]) -> list[dict[str, Any]]:
    """For programs: each test and thing with all its figures."""
    return [
        {
            "test": one.test,
            "on": one.on,
            "part": one.part,
            "items": len(one.items),
            "figures": {
                figure.name: {
                    **_interval(figure.estimate),
                    "chance": figure.chance,
                    "before": figure.before and _interval(figure.before),
                    "change": figure.change and _interval(figure.change),
                }
                for figure in figures(one, match(one, before))
            },
            "about": one.about,
        }
        for one in measured
    ]


HEADER = ("test", "on", "items", "figure", "% [95 % interval]", "chance", "before training", "change", "note")


def lines(measured: Sequence[Measured], before: Sequence[Measured]) -> list[tuple[str, ...]]:
    """For people: the figures that matter most, as text, one row each, in the order of `HEADER`."""
    found: list[tuple[str, ...]] = []
    for one in measured:
        test = load(one.test)
        told = (" ".join((one.test, one.part.replace("_to_", "→"))).strip(), one.on, str(len(one.items)))
        note = test.note(one)
        for figure in figures(one, match(one, before)):
            if figure.name in test.figures:
                found.append(
                    (
                        *told,
                        figure.name.replace("recall_at_", "R@"),
                        _percent(figure.estimate),
                        "" if figure.chance is None else f"{100 * figure.chance:.1f}",
                        _percent(figure.before),
                        _percent(figure.change, "+"),
                        note,
                    )
                )
                told, note = ("", "", ""), ""
    return found


def unasked(tests: Sequence[str], measured: Sequence[Measured]) -> dict[str, str]:
    """Of tests that were asked for by name and could be put to nothing, what they need."""
    return {name: load(name).needs for name in tests if all(one.test != name for one in measured)}


def _sample(measured: Measured, figure: str) -> Sample:
    values = np.array([measured.values[figure]])
    return Sample(values, (0,), tuple(measured.items), tuple(measured.clusters))


def _interval(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _percent(estimate: Estimate | None, sign: str = "") -> str:
    if estimate is None:
        return ""
    value, low, high = (f"{100 * v:{sign}.1f}" for v in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"
