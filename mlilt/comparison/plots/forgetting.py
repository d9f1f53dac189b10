"""What methods reach in languages that were never trained, against what they reach in their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlilt.comparison.plots import _select
from mlilt.comparison.plots._style import Drawn, Looks, canvas, legend, share_axis, shares, spread
from mlilt.comparison.results import Group, Row
from mlilt.comparison.study import Study
from mlilt.comparison.words import label, percent
from mlilt.evaluation import statistics
from mlilt.evaluation.statistics import Sample

PART, FIGURE = "text_to_image", "recall_at_10"


class _Reached:
    """What the rows of a training set reached: in its own languages, and in others that all of them were asked in."""

    def __init__(self, study: Study, group: Group, asked: Sequence[Group]) -> None:
        others = [on for on in study.things("retrieval", PART) if on not in group.trained_on]
        found = {
            row.method: {on: s for on in others if (s := _measured(study, group, row, on)) is not None}
            for row in group.rows
        }
        rows = [row for row in group.rows if found[row.method]]
        self.group = group
        self.others = [on for on in others if rows and all(on in found[row.method] for row in rows)]
        self.rows = rows if self.others else []
        self.foreign = {row.method: [found[row.method][on] for on in self.others] for row in self.rows}
        pairs = [(row, [(g, same) for g in asked if (same := _select.same(g, row.method))]) for row in self.rows]
        self.own = {row.method: [g.sample(same) for g, same in members] for row, members in pairs}
        self.own_chance = _select.chance(asked)
        chances = [
            m.chance[FIGURE]
            for run in group.runs
            for m in study.assessed.get(run.folder, [])
            if (m.test, m.part) == ("retrieval", PART) and m.on in self.others and FIGURE in m.chance
        ]
        self.foreign_chance = float(np.mean(chances)) if chances else None


def draw(study: Study, looks: Looks) -> Iterator[Drawn]:
    """The mean over languages trained on first, then each set of them, unless they are more than eight."""
    whole = [kept for group, asked in _select.whole(study) if (kept := _Reached(study, group, asked)).rows]
    for groups in _select.alike(_select.single([kept.group for kept in whole]), _select.LANGUAGE):
        members = [kept for kept in whole if any(kept.group is group for group in groups)]
        if len(members) > 1:
            named = f"mean of {len(members)} languages trained on"
            yield from _drawn(members, looks, f"mean-of-{len(members)}", named, None)
    for kept in whole if len(whole) <= _select.FEW else ():
        yield from _drawn([kept], looks, _stem(kept.group), f"trained on {_select.where(kept.group)}", kept.group)


def _stem(group: Group) -> str:
    return _select.slug(f"{group.language} of {len(group.trained_on)}" if len(group.trained_on) > 1 else group.language)


def _drawn(members: Sequence[_Reached], looks: Looks, stem: str, where: str, group: Group | None) -> Iterator[Drawn]:
    rows = [row for row in members[0].rows if all(row.method in kept.foreign for kept in members)]
    if not rows:
        return
    figure, axes = canvas(3.6)
    parts = []
    for row in rows:
        own, foreign = shares(
            [
                statistics.mean([sample for kept in members for sample in kept.own[row.method]]),
                statistics.mean([sample for kept in members for sample in kept.foreign[row.method]]),
            ]
        )
        name = label(members[0].group, row)
        style = {**looks(row), "linestyle": "none"}
        axes.errorbar(own.value, foreign.value, spread(foreign), spread(own), label=name, **style)
        parts.append(f"{name} {percent(foreign)} % at {100 * own.value:.1f} % in its own")
    chances = [kept.foreign_chance for kept in members if kept.foreign_chance is not None]
    languages = sorted({on for kept in members for on in kept.others})
    count = f"{len(languages)} language{'s' if len(languages) > 1 else ''}"
    share_axis(axes.xaxis, "recall@10 in languages trained", float(np.mean([kept.own_chance for kept in members])))
    share_axis(axes.yaxis, "recall@10 in others", float(np.mean(chances)) if chances else None)
    legend(figure)
    yield Drawn(
        f"forgetting-{stem}",
        f"Languages never trained: {where}",
        f"Text→image recall@10 in languages that were never trained ({count} asked), {where}: {'; '.join(parts)}.",
        figure,
        group,
    )


def _measured(study: Study, group: Group, row: Row, on: str) -> Sample | None:
    return study.measured(group.members(row), "retrieval", on, FIGURE, PART)
