"""How training changed what the towers could do before: finding translations, and knowing categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mlilt.comparison.plots import _select
from mlilt.comparison.plots._style import (
    INK,
    Drawn,
    Looks,
    canvas,
    named_rows,
    rows_of,
    spread,
)
from mlilt.comparison.results import Group, Method, Row
from mlilt.comparison.study import Study
from mlilt.comparison.words import label, points
from mlilt.evaluation import statistics
from mlilt.evaluation.statistics import Estimate, Sample

Pairs = list[tuple[Sample, Sample]]


class _Test(NamedTuple):
    name: str
    title: str
    axis: str
    vision: bool


TESTS = (
    _Test("bitext", "Translations found by the text tower", "accuracy of finding translations", False),
    _Test("neighbours", "Categories known by the vision tower", "k-NN accuracy of pictures", True),
)


def draw(study: Study, looks: Looks) -> Iterator[Drawn]:
    """The mean over languages trained on first, then each set of them, unless they are more than eight.

    Vision towers that are frozen have changed nothing, and are left out.
    """
    whole = [group for group, _ in _select.whole(study)]
    for test in TESTS:
        found = [(group, made) for group in whole if (made := changes(study, group, test))]
        for groups in _select.alike(_select.single([group for group, _ in found]), _select.LANGUAGE):
            members = [(group, made) for group, made in found if any(group is g for g in groups)]
            if len(members) > 1:
                named = f"mean of {len(members)} languages trained on"
                yield from _drawn(test, members, looks, f"mean-of-{len(members)}", named, None)
        for group, made in found if len(found) <= _select.FEW else ():
            stem = f"{group.language} of {len(group.trained_on)}" if len(group.trained_on) > 1 else group.language
            where = f"trained on {_select.where(group)}"
            yield from _drawn(test, [(group, made)], looks, _select.slug(stem), where, group)


def changes(study: Study, group: Group, test: _Test) -> dict[Method, Pairs]:
    """After and before of each row that was put to a test, on all that all of them were put to."""
    rows = [row for row in group.rows if row.towers.vision_trains or not test.vision]
    found: dict[Method, dict[str, tuple[Sample, Sample]]] = {}
    for row in rows:
        runs = group.members(row)
        for on in study.things(test.name):
            after = study.measured(runs, test.name, on)
            before = study.measured_before(runs, test.name, on) if after else None
            if after is not None and before is not None and set(after.items) == set(before.items):
                found.setdefault(row.method, {})[on] = after, before
    shared = [on for on in study.things(test.name) if all(on in each for each in found.values())]
    return {method: [each[on] for on in shared] for method, each in found.items()} if shared else {}


def _drawn(
    test: _Test, members: Sequence[tuple[Group, dict[Method, Pairs]]], looks: Looks, stem: str, where: str,
    group: Group | None,
) -> Iterator[Drawn]:  # fmt: skip
    first = members[0][0]
    rows: list[tuple[Row, Estimate, float]] = []
    for row in first.rows:
        pairs = [pair for _, made in members for pair in made.get(row.method, [])]
        if pairs and all(row.method in made for _, made in members):
            before = sum(float(b.values.mean()) for _, b in pairs) / len(pairs)
            rows.append((row, statistics.difference(pairs), before))
    if not rows:
        return
    names = [label(first, row) for row, _, _ in rows]
    figure, axes = canvas(rows_of(len(rows)))
    named_rows(axes, names)
    # Beside the rows alone, or it would cross their names.
    axes.vlines([0] * len(rows), [n - 0.22 for n in range(len(rows))], [n + 0.3 for n in range(len(rows))], color=INK)
    for place, (row, found, _) in enumerate(rows):
        ends = [[100 * end[0]] for end in spread(found)]
        axes.errorbar(100 * found.value, place, xerr=ends, **{**looks(row), "linestyle": "none"})
    low, high = axes.get_xlim()
    room = max(high - low, 0.2)
    axes.set_xlim(min(low, -0.1 * room), max(high, 0.1 * room))
    axes.set_xlabel(f"{test.axis}, after − before, points")
    said = [f"{name} {points(found, 100)}" for name, (_, found, _) in zip(names, rows, strict=True)]
    yield Drawn(
        f"conservation-{test.name}-{stem}",
        f"{test.title}: {where}",
        f"Change of the {test.axis} from {100 * rows[0][2]:.1f} % before training, {where}, points: {'; '.join(said)}.",
        figure,
        group,
    )
