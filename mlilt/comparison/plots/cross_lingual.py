"""Heat maps: the language trained on against the language asked in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize, to_rgb
from numpy.typing import NDArray

from mlilt.comparison.plots import _select
from mlilt.comparison.plots._style import Drawn, Looks, canvas
from mlilt.comparison.plots.forgetting import FIGURE, PART
from mlilt.comparison.results import Group, Row
from mlilt.comparison.study import Study
from mlilt.comparison.words import label, language_name, number

Values = NDArray[np.float64]

# Lightness rises evenly in the first, also for colour-blind readers; the other is light at zero.
LEVELS, DIFFERENCES = "cividis", "PuOr"
_CELL, _NAMES = 0.34, 1.3


def draw(study: Study, looks: Looks) -> Iterator[Drawn]:
    """Of the training sets at their largest: the best method (by the mean of its cells) that is held against
    full-model training, that, and their difference."""
    asked = study.things("retrieval", PART)
    whole = [group for group, _ in _select.whole(study)]
    alone = _select.single(whole)
    joint = [group for group in whole if len(group.trained_on) > 1]
    trained = [group.language for group in alone]
    # The same order on both axes; then what was trained together, and what was asked alone.
    groups = [*alone, *joint]
    columns = [*(code for code in trained if code in asked), *(code for code in asked if code not in trained)]
    if len(groups) < 2 or len(columns) < 2:
        return
    known = [
        (rows, table)
        for rows in _select.common(groups)
        if not np.isnan(table := matrix(study, groups, rows, columns)).all()
    ]
    small = [each for each in known if groups[0].baseline(each[0][0]) is not None]
    chosen = {"best": max(small or known, key=lambda each: float(np.nanmean(each[1])))} if known else {}
    if small:
        held = groups[0].baseline(chosen["best"][0][0])
        full = next((each for each in known if held is not None and each[0][0].method == held.method), None)
        chosen |= {"full": full} if full else {}
    own = np.array([[code in group.trained_on for code in columns] for group in groups])
    names = [_select.where(group) for group in groups], [language_name(code) for code in columns]
    called = {stem: label(groups[0], rows[0]) for stem, (rows, _) in chosen.items()}
    # One scale for both.
    highest = max((float(np.nanmax(100 * table)) for _, table in chosen.values()), default=0.0)
    for stem, (_, table) in chosen.items():
        yield Drawn(
            f"cross-lingual-{stem}",
            f"Languages trained and asked: {called[stem]}",
            f"Text→image recall@10 of {called[stem]} by language trained on and asked in, mean over seeds: on average "
            f"{100 * _average(table, own):.1f} % in what was trained, {100 * _average(table, ~own):.1f} % in others.",
            heat_map(100 * table, names, LEVELS, Normalize(0, highest), False, "recall@10, %"),
        )
    if len(chosen) == 2:
        change = chosen["best"][1] - chosen["full"][1]
        most = max(float(np.nanmax(np.abs(100 * change))), 1.0)
        yield Drawn(
            "cross-lingual-difference",
            f"Languages trained and asked: {called['best']} − {called['full']}",
            f"Text→image recall@10 of {called['best']} minus {called['full']} by language trained on and asked in: on "
            f"average {number(100 * _average(change, own), signed=True)} points in what was trained, "
            f"{number(100 * _average(change, ~own), signed=True)} in others.",
            heat_map(100 * change, names, DIFFERENCES, Normalize(-most, most), True, "difference, points"),
        )


def matrix(study: Study, groups: Sequence[Group], rows: Sequence[Row], columns: Sequence[str]) -> Values:
    """Recall@10, the mean over seeds, shape (groups, columns): NaN where it was not measured."""
    found = [
        [study.measured(group.members(row), "retrieval", on, FIGURE, PART) for on in columns]
        for group, row in zip(groups, rows, strict=True)
    ]
    return np.array([[np.nan if s is None else s.values.mean() for s in line] for line in found])


def heat_map(
    table: Values, names: tuple[list[str], list[str]], colours: str, scale: Normalize, signed: bool, axis: str
) -> Any:
    """A figure with the numbers in its cells, each in what is better read on its colour: ink or white."""
    height, width = table.shape
    figure, axes = canvas(_NAMES + 0.4 + _CELL * height, width=max(4.2, _NAMES + _CELL * 1.25 * width))
    chosen = mpl.colormaps[colours]
    axes.pcolormesh(np.ma.masked_invalid(table), cmap=chosen, norm=scale, edgecolors="none", snap=True)
    axes.grid(visible=False)
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            paint = on_colour(chosen(scale(value))[:3])
            axes.text(
                column + 0.5, row + 0.5, number(value, 0, signed), ha="center", va="center", fontsize=8, color=paint
            )
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(np.arange(width) + 0.5, names[1], rotation=45, ha="left", rotation_mode="anchor", fontsize="small")
    axes.set_yticks(np.arange(height) + 0.5, names[0], fontsize="small")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("trained on")
    axes.set_xlabel(f"asked in ({axis})")
    return figure


# Not the ink itself, which would turn light on a dark page.
DARK, WHITE = "#000000", "#ffffff"


def on_colour(paint: Sequence[float]) -> str:
    """Black or white: what has the higher contrast with a colour (red, green, blue from 0 to 1)."""
    return max((DARK, WHITE), key=lambda text: contrast(to_rgb(text), paint))


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """From 1 to 21, as the Web Content Accessibility Guidelines 2.2 define it."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(paint: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in paint]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _average(table: Values, where: NDArray[np.bool_]) -> float:
    there = table[where]
    return float(np.nanmean(there)) if there.size and not np.isnan(there).all() else float("nan")
