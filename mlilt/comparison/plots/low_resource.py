"""Quality by the number of training concepts, the difference to full-model training, and where it changes its sign."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlilt.comparison.plots import _select
from mlilt.comparison.plots._style import (
    INK,
    QUALITY,
    Drawn,
    Looks,
    canvas,
    estimate,
    intervals,
    legend,
    share_axis,
    shares,
    ticked,
)
from mlilt.comparison.results import Group, Row
from mlilt.comparison.study import Study
from mlilt.comparison.words import label, language_name, points
from mlilt.evaluation import statistics
from mlilt.evaluation.statistics import Estimate


@dataclass(slots=True)
class Curve:
    """One method by number of concepts: what it reached, and its difference to full-model training."""

    name: str
    row: Row
    reached: dict[float, Estimate] = field(default_factory=dict)
    difference: dict[float, Estimate] = field(default_factory=dict)

    def crossings(self) -> list[float]:
        """Where the difference changes its sign."""
        return crossings(list(self.difference), [e.value for e in self.difference.values()])


@dataclass(slots=True)
class Sizes:
    """Groups of the languages by number of concepts, the smallest first; `places` on the axis, with their names."""

    groups: list[list[Group]]
    places: list[float]
    names: list[str]


def draw(study: Study, looks: Looks) -> Iterator[Drawn]:
    """The mean over languages first, then each language, unless they are more than eight."""
    single = _select.single(study.groups)
    for groups in _select.alike(single, (*_select.LANGUAGE, *_select.SIZE)):
        languages = [_by_size(each) for each in _select.alike(groups, _select.SIZE)]
        if len(languages) > 1:
            sizes = [size for size in languages[0] if all(size in each for each in languages)]
            yield from _drawn(
                _sizes([[each[size] for each in languages] for size in sizes]),
                looks, f"mean-of-{len(languages)}", f"mean of {len(languages)} languages",
            )  # fmt: skip
        for each in languages if len(languages) <= _select.FEW else ():
            code = next(iter(each.values())).language
            yield from _drawn(_sizes([[group] for group in each.values()]), looks, code, language_name(code))


def _by_size(groups: Sequence[Group]) -> dict[int | None, Group]:
    order = sorted(groups, key=lambda g: g.setting.get("concepts") or math.inf)
    return {group.setting.get("concepts"): group for group in order}


def _sizes(groups: list[list[Group]]) -> Sizes:
    concepts = [each[0].setting.get("concepts") for each in groups]
    known = [float(count) for count in concepts if count]
    places, names = list(known), [f"{count:,.0f}" for count in known]
    if len(known) < len(concepts):
        # How many all are is not on record, but how many pictures some have, and all.
        found = [whole(every, some) for some, every in zip(groups[-2], groups[-1], strict=True)] if known else []
        counts = [count for count in found if count is not None]
        there = len(counts) == len(found) > 0 and np.mean(counts) > known[-1]
        places.append(float(np.mean(counts)) if there else 2 * known[-1] if known else 1.0)
        names.append(f"all\n≈{rounded(places[-1])}" if there else "all")
    return Sizes(groups, places, names)


def whole(every: Group, some: Group) -> float | None:
    """Concepts of all, by how many pictures an epoch has and what those of some concepts have; None if unknown."""
    pictures = [_pictures(group) for group in (every, some)]
    if None in pictures or not pictures[1]:
        return None
    return float(some.setting["concepts"] * pictures[0] / pictures[1])


def _pictures(group: Group) -> float | None:
    """Pictures of an epoch, the mean over runs."""
    known = [run.record for run in group.runs if run.record.validation]
    return float(np.mean([r.costs.pairs / r.validation[-1]["epoch"] for r in known])) if known else None


def rounded(count: float) -> str:
    """A count with two digits."""
    digits = max(0, math.floor(math.log10(count)) - 1)
    return f"{round(count, -digits):,.0f}"


def curves(sizes: Sizes) -> list[Curve]:
    """Those of the methods that all languages of a size have; where they are several, means over them."""
    found: dict[object, Curve] = {}
    for groups, place in zip(sizes.groups, sizes.places, strict=True):
        for rows in _select.common(groups):
            curve = found.setdefault(rows[0].method, Curve(label(groups[0], rows[0]), rows[0]))
            held = [group.baseline(row) for group, row in zip(groups, rows, strict=True)]
            if len(groups) == 1:
                curve.reached[place] = estimate(rows[0].figures["text_to_image"]["recall_at_10"])
                if rows[0].difference:
                    curve.difference[place] = estimate(rows[0].difference["text_to_image"].interval, 100)
                continue
            samples = [group.sample(row) for group, row in zip(groups, rows, strict=True)]
            curve.reached[place] = shares([statistics.mean(samples)])[0]
            against = [group.sample(row) for group, row in zip(groups, held, strict=True) if row is not None]
            if len(against) == len(samples):
                curve.difference[place] = statistics.difference(list(zip(samples, against, strict=True)))
    return sorted(found.values(), key=lambda curve: curve.row.trained)


def crossings(places: Sequence[float], differences: Sequence[float]) -> list[float]:
    """Where differences change their sign, linear in the logarithm of places between neighbours."""
    found = []
    last: tuple[float, float] | None = None
    zeros: list[float] = []
    for place, difference in zip(np.log(places).tolist(), differences, strict=True):
        if difference == 0:
            zeros.append(place)
            continue
        if last is not None and last[1] * difference < 0:
            between = last[0] + (place - last[0]) * last[1] / (last[1] - difference)
            found.append(math.exp(sum(zeros) / len(zeros) if zeros else between))
        last, zeros = (place, difference), []
    return found


def _drawn(sizes: Sizes, looks: Looks, stem: str, where: str) -> Iterator[Drawn]:
    if len(sizes.places) < 2:
        return
    found = [curve for curve in curves(sizes) if len(curve.reached) > 1]
    if not found:
        return
    against = [curve for curve in found if len(curve.difference) > 1]
    figure, axes = canvas(5.6, 2, (3, 2)) if against else canvas()
    upper = axes[0] if against else axes
    for place, curve in enumerate(found):
        spot = place, len(found)
        intervals(upper, list(curve.reached), list(curve.reached.values()), spot, label=curve.name, **looks(curve.row))
    low, high = sizes.places[0] / 1.15, sizes.places[-1] * 1.15
    ticked(upper.xaxis, low, high, sizes.places, sizes.names)
    share_axis(upper.yaxis, QUALITY, _select.chance(sizes.groups[-1]))
    lower = axes[1] if against else axes
    lower.set_xlabel("training concepts")
    if against:
        lower.axhline(0, color=INK, linewidth=1)
        for place, curve in enumerate(against):
            differences = [Estimate(100 * e.value, 100 * e.low, 100 * e.high) for e in curve.difference.values()]
            intervals(lower, list(curve.difference), differences, (place, len(against)), **looks(curve.row))
        lower.set_ylabel("− full training, points")
        _mark(lower, against, looks)
    legend(figure)
    ends, largest = [_ends(curve) for curve in found], ", ".join(sizes.names[-1].splitlines())
    yield Drawn(
        f"low-resource-{stem}",
        f"Quality by number of concepts: {where}",
        f"Text→image recall@10, {where}, from {sizes.names[0]} to {largest} concepts: "
        f"{'; '.join(ends)}."
        + (f" The difference to full training: {'; '.join(map(_said, against))}." if against else ""),
        figure,
    )


def _ends(curve: Curve) -> str:
    first, *_, last = curve.reached.values()
    return f"{curve.name} {100 * first.value:.1f} to {100 * last.value:.1f} %"


def _mark(axes: Any, found: Sequence[Curve], looks: Looks) -> None:
    """Marks where methods cross full-model training, with the numbers above all lines.

    They fall from left to right, so that no line runs through a number.
    """
    crossing = sorted(((at, looks(curve.row)["color"]) for curve in found for at in curve.crossings()), reverse=True)
    low, high = axes.get_ylim()
    step = min(0.1, 0.6 / max(len(crossing), 1)) * (high - low)
    axes.set_ylim(low, high + step * len(crossing))
    for level, (at, colour) in enumerate(crossing):
        top = high + step * (level + 0.35)
        axes.vlines(at, 0, top, color=colour, linewidth=0.8)
        axes.plot(at, 0, marker="|", markersize=12, color=colour, linestyle="none")
        axes.annotate(rounded(at), (at, top), (3, 0), textcoords="offset points", va="center", fontsize="small")


def _said(curve: Curve) -> str:
    first, *_, last = curve.difference.values()
    at = " and ".join(map(rounded, curve.crossings()))
    change = f"changes its sign at about {at}" if at else "keeps its sign"
    return f"{curve.name} {points(first, 100)} to {points(last, 100)} points, {change}"
