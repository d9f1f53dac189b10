"""Quality of each method against what it costs: trained share, time, memory, operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mlilt.comparison.plots import _select
from mlilt.comparison.plots._style import (
    Drawn,
    Looks,
    canvas,
    crowds,
    estimate,
    intervals,
    legend,
    log_axis,
    share_axis,
    shares,
    tell,
)
from mlilt.comparison.results import Group, Row
from mlilt.comparison.study import Study
from mlilt.comparison.words import duration, label, percent, size
from mlilt.evaluation import statistics

MINUTE, HOUR, DAY = 60, 3600, 86400
# Durations that are round to people.
_ROUND = (1, 2, 5, 10, 20, 30), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50)
SECONDS = [
    [
        *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
        *(n * unit for unit, most in ((1, 59), (MINUTE, 59), (HOUR, 20), (DAY, 50)) for n in digits if n <= most),
    ]
    for digits in _ROUND
]


def clock(seconds: float) -> str:
    """A duration as a tick's name: one number and its unit."""
    for limit, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= limit:
            return f"{seconds / limit:.3g} {unit}"
    return f"{seconds:.3g} s"


class Cost(NamedTuple):
    """What quality is held against: `value` of a row, None where unknown; its name as a tick and in a sentence."""

    stem: str
    title: str
    axis: str
    value: Callable[[Row], float | None]
    tick: Callable[[float], str]
    said: Callable[[float], str]
    tiers: Sequence[Sequence[float]] = ()


def _bytes(count: float) -> str:
    return size(count, "B")


COSTS = (
    Cost(
        "share", "Quality against trained parameters", "trained share of all parameters",
        lambda row: row.share, lambda x: f"{100 * x:g} %", lambda x: f"{tell(x)} trained",
    ),
    Cost(
        "time", "Quality against training time", "time of training",
        lambda row: row.wall_s, clock, duration, SECONDS,
    ),
    Cost("memory", "Quality against memory", "peak memory", lambda row: row.peak_bytes or None, _bytes, _bytes),
    Cost(
        "flops", "Quality against computation", "floating-point operations a pair",
        lambda row: row.flops_per_pair, size, lambda x: f"{size(x)} operations a pair",
    ),
)  # fmt: skip


def draw(study: Study, looks: Looks) -> Iterator[Drawn]:
    """The mean over languages where there are several, then the groups; of more than eight languages no groups."""
    for groups in _select.alike(_select.largest(study.groups), _select.LANGUAGE):
        if len(groups) > 1:
            named = f"{len(groups)} languages" + (" trained together" if len(groups[0].trained_on) > 1 else "")
            yield from _drawn(groups, looks, f"mean-of-{_select.slug(named)}", f"mean of {named}", None)
    groups = _select.shown(study)
    for group in groups if len(groups) <= _select.FEW else ():
        yield from _drawn([group], looks, _select.stem(study, group), _select.title(study, group), group)


def _drawn(groups: list[Group], looks: Looks, stem: str, where: str, group: Group | None) -> Iterator[Drawn]:
    methods = _select.common(groups)
    if len(groups) == 1:
        reached = [estimate(rows[0].figures["text_to_image"]["recall_at_10"]) for rows in methods]
    else:
        samples = [[g.sample(row) for g, row in zip(groups, rows, strict=True)] for rows in methods]
        reached = shares([statistics.mean(each) for each in samples])
    for cost in COSTS:
        known = [(rows, found, x) for rows, found in zip(methods, reached, strict=True) if (x := _mean(cost, rows))]
        if len(known) < 2:
            continue
        figure, axes = canvas()
        parts = []
        spots = crowds([x for _, _, x in known])
        for (rows, found, x), spot in zip(known, spots, strict=True):
            name = label(groups[0], rows[0])
            intervals(axes, [x], [found], spot, label=name, **{**looks(rows[0]), "linestyle": "none"})
            parts.append(f"{name} {percent(found)} % with {cost.said(x)}")
        log_axis(axes.xaxis, [x for _, _, x in known], cost.tick, cost.tiers)
        axes.set_xlabel(cost.axis)
        share_axis(axes.yaxis, chance=_select.chance(groups))
        legend(figure)
        alt = f"Text→image recall@10 with its interval, {where}: {'; '.join(parts)}."
        yield Drawn(f"quality-{cost.stem}-{stem}", f"{cost.title}: {where}", alt, figure, group)


def _mean(cost: Cost, rows: Sequence[Row]) -> float | None:
    found = [cost.value(row) for row in rows]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if len(known) == len(found) else None
