"""Quality by size of the towers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlilt.comparison.plots import _select
from mlilt.comparison.plots._style import (
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
from mlilt.comparison.words import label, language_name, size
from mlilt.evaluation import statistics
from mlilt.evaluation.statistics import Estimate

# Neighbours on the axis that are closer than this share of it are set apart evenly, whatever their sizes.
_CLOSE = 0.12


def draw(study: Study, looks: Looks) -> Iterator[Drawn]:
    """All training concepts; the mean over languages first, then each language, unless they are more than eight."""
    single = _select.single(study.groups)
    most = max((g.setting.get("concepts") or np.inf for g in single), default=None)
    single = [g for g in single if (g.setting.get("concepts") or np.inf) == most]
    for groups in _select.alike(single, (*_select.LANGUAGE, *_select.TOWERS)):
        languages = [_by_towers(each) for each in _select.alike(groups, _select.TOWERS)]
        if len(languages) > 1:
            towers = [key for key in languages[0] if all(key in each for each in languages)]
            yield from _drawn(
                [[each[key] for each in languages] for key in towers],
                looks, f"mean-of-{len(languages)}", f"mean of {len(languages)} languages",
            )  # fmt: skip
        for each in languages if len(languages) <= _select.FEW else ():
            code = next(iter(each.values())).language
            yield from _drawn([[group] for group in each.values()], looks, code, language_name(code))


def _by_towers(groups: Sequence[Group]) -> dict[tuple[object, ...], Group]:
    order = sorted(groups, key=_select.parameters)
    return {tuple(g.setting.get(key) for key in ("text", "vision", "trim_vocab")): g for g in order}


def _drawn(sizes: list[list[Group]], looks: Looks, stem: str, where: str) -> Iterator[Drawn]:
    totals = [float(np.mean([_select.parameters(group) for group in groups])) for groups in sizes]
    if len(totals) < 2:
        return
    lines: dict[object, tuple[str, Row, dict[int, Estimate]]] = {}
    for at, groups in enumerate(sizes):
        for rows in _select.common(groups):
            _, _, reached = lines.setdefault(rows[0].method, (label(groups[0], rows[0]), rows[0], {}))
            if len(groups) == 1:
                reached[at] = estimate(rows[0].figures["text_to_image"]["recall_at_10"])
            else:
                samples = [group.sample(row) for group, row in zip(groups, rows, strict=True)]
                reached[at] = shares([statistics.mean(samples)])[0]
    several = [line for line in lines.values() if len(line[2]) > 1]
    if not several:
        return
    figure, axes = canvas(3.6)
    spot = places(totals)
    for place, (name, row, reached) in enumerate(several):
        along, aside = [spot[at] for at in reached], (place, len(several))
        intervals(axes, along, list(reached.values()), aside, label=name, **looks(row))
    told = _told([groups[0] for groups in sizes])
    counts = [size(total) for total in totals]
    if len(set(counts)) < len(counts):
        counts = [f"{total / 1e6:,.1f} M" for total in totals]
    names = [f"{count}\n{name}" for count, name in zip(counts, told, strict=True)]
    edges = min(spot) / 1.3, max(spot) * 1.3
    if spot == totals:
        ticked(axes.xaxis, *edges, totals, names)
    else:
        axes.set_xlim(-0.5, len(totals) - 0.5)
        axes.set_xticks(spot, names)
    axes.tick_params(axis="x", labelsize="small")
    axes.set_xlabel("parameters of both towers")
    share_axis(axes.yaxis, chance=_select.chance(sizes[-1]))
    legend(figure)
    ends = [_ends(name, reached) for name, _, reached in several]
    yield Drawn(
        f"scaling-{stem}",
        f"Quality by size of the towers: {where}",
        f"Text→image recall@10, {where}, from {counts[0]} to {counts[-1]} parameters in both towers: "
        f"{'; '.join(ends)}.",
        figure,
    )


def places(totals: Sequence[float]) -> list[float]:
    """Where on the axis, for sizes in ascending order: at the size itself on a logarithmic one, unless some are too
    close; then at 0, 1, 2, ...
    """
    gaps = np.diff(np.log(totals))
    if gaps.min() >= _CLOSE * max(gaps.sum(), np.log(2)):
        return list(totals)
    return [float(place) for place in range(len(totals))]


def _ends(name: str, reached: dict[int, Estimate]) -> str:
    first, *_, last = reached.values()
    return f"{name} {100 * first.value:.1f} to {100 * last.value:.1f} %"


def _told(groups: Sequence[Group]) -> list[str]:
    """What tells the towers apart, a word a line."""
    keys = [key for key in ("text", "vision") if len({group.setting[key] for group in groups}) > 1]
    lines = [[str(group.setting[key]) for key in keys] for group in groups]
    for line, group in zip(lines, groups, strict=True):
        line += ["trimmed"] if group.setting.get("trim_vocab") else []
    return ["\n".join(line) for line in lines]
