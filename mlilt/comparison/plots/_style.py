"""What all plots share: colours, axes, intervals, and how a figure becomes SVG and PNG.

Text and lines have one colour, which in SVG is the surrounding text's (`currentColor`), on no ground: so a figure is
readable on light and dark pages alike. The colours of methods have a contrast of at least 3 to 1 with both.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from mlilt.comparison.results import CLIP, LIT, Group, Method, Row
from mlilt.comparison.study import Study
from mlilt.evaluation.statistics import Estimate
from mlilt.record import Interval

INK = "#1c1e21"
WIDTH = 5.4
QUALITY = "text → image recall@10"

# The first four are Okabe & Ito's, which colour-blind readers can tell apart; their light ones would vanish on white,
# and are darker here. In black and white, markers and lines tell methods apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#A67800", "#3F97D1", "#8A63D2")
_MARKERS = ("o", "s", "^", "v", "P", "<", "p", ">")
_LINES = ("-", (0, (5, 1.5)), (0, (3, 1.5, 1, 1.5)), (0, (1.5, 1.5)))
_FULL_MARKERS = ("D", "X", "*", "h")

RC = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": "medium",
    "errorbar.capsize": 2.5,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    # The one that matplotlib brings; each text of an SVG repeats the list.
    "font.sans-serif": ["DejaVu Sans"],
    "grid.alpha": 0.18,
    "grid.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 6,
    # Text stays text, and ids follow from the content, so that the same runs give the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "mlilt",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

# Leading digits of round numbers, the roundest first.
_DIGITS = ((1,), (1, 2, 5), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))
# Letters that a line of the legend holds.
_LEGEND = 60
_PNG_DPI = 2 * 96


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure that is not yet a file.

    Attributes:
        name: unique; the stem of its file's name.
        title: short, plain text.
        alt: what is to be seen, with the main numbers.
        figure: itself.
        group: the group that it is about; None if about several.
    """

    name: str
    title: str
    alt: str
    figure: Any
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure as files.

    Attributes:
        name: unique in a study; the stem of its file's name.
        title: short, plain text.
        alt: what is to be seen, with the main numbers, in a sentence or two.
        svg: an element, transparent, whose text has the colour of the text around it; its ids are its own alone.
        png: on white, twice the size of the screen's pixels.
        group: the group that it is about; None if about several.
    """

    name: str
    title: str
    alt: str
    svg: str
    png: bytes
    group: Group | None


class Looks:
    """Colour, marker and line of each method: the same in all plots of a study. Full-model training has the ink."""

    def __init__(self, study: Study) -> None:
        methods = {row.method: row.trained for _, row in reversed(study.rows())}
        self._places: dict[Method, int] = {}
        for full in (False, True):
            mine = [m for m in methods if (m.towers in (LIT, CLIP)) == full]
            self._places |= {m: n for n, m in enumerate(sorted(mine, key=lambda m: (methods[m], repr(m))))}

    def __call__(self, row: Row) -> dict[str, Any]:
        """Arguments of matplotlib's `plot`."""
        place = self._places[row.method]
        if row.towers in (LIT, CLIP):
            marker = _FULL_MARKERS[place % len(_FULL_MARKERS)]
            return {"color": INK, "marker": marker, "linestyle": _LINES[place % 2]}
        colour, marker = COLOURS[place % len(COLOURS)], _MARKERS[place % len(_MARKERS)]
        return {"color": colour, "marker": marker, "linestyle": _LINES[1 + place % 3]}


def canvas(height: float = 3.2, panels: int = 1, ratios: Sequence[float] = (), width: float = WIDTH) -> tuple[Any, Any]:
    """A figure and its axes, panels below each other; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(panels, sharex=panels > 1, height_ratios=list(ratios) or None)
    for each in [axes] if panels == 1 else axes:
        each.grid(which="major")
        each.set_axisbelow(True)
    return figure, axes


def estimate(interval: Interval, scale: float = 1.0) -> Estimate:
    """An interval of a record, over `scale`."""
    return Estimate(interval.value / scale, interval.low / scale, interval.high / scale)


def spread(found: Estimate) -> list[list[float]]:
    """Distances of the ends from the value, as `errorbar` has them: shape (2, 1), none below 0."""
    return [[max(0.0, found.value - found.low)], [max(0.0, found.high - found.value)]]


def shares(found: Sequence[Estimate]) -> list[Estimate]:
    """Estimates of shares, which are never below 0 or above 1."""
    return [Estimate(e.value, max(0.0, e.low), min(1.0, e.high)) for e in found]


def share_axis(axis: Any, label: str = QUALITY, chance: float | None = None) -> None:
    """An axis of shares in percent; what a random order reaches is said beside it, and drawn where there is room."""
    horizontal = axis.axis_name == "x"
    axes, (low, high) = axis.axes, axis.get_view_interval()
    if chance is not None:
        label = f"{label}\n(chance {tell(chance)})"
        if chance > low - 0.3 * (high - low):
            (axes.axvline if horizontal else axes.axhline)(chance, color=INK, linestyle=":", linewidth=1, zorder=0.5)
            low = min(low, chance - 0.05 * (high - chance))
    (axes.set_xlim if horizontal else axes.set_ylim)(max(low, -0.02), min(high, 1.02))
    axis.set_label_text(label)
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))


def tell(value: float) -> str:
    """A share in percent, for people."""
    return f"{100 * value:.1f} %" if value >= 0.00995 else f"{100 * value:.2g} %"


def log_axis(
    axis: Any, values: Sequence[float], name: Callable[[float], str], tiers: Sequence[Sequence[float]] = ()
) -> None:
    """A logarithmic axis around positive values, with a few ticks that are plain numbers.

    Args:
        axis: whose.
        values: all that has to be on it.
        name: what a tick is called.
        tiers: round values, rising, the roundest first: the first that has three on the axis is taken. By default
            decimal numbers; evenly spaced ones where none has.
    """
    low, high = min(values), max(values)
    room = max((high / low) ** 0.08, 1.03)
    low, high = low / room, high * room
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    decimal: list[list[float]] = [[digit * 10.0**power for power in powers for digit in digits] for digits in _DIGITS]
    even = [float(tick) for tick in MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    tried: list[Sequence[float]] = [*(tiers or decimal), even]
    # Names need room, about as much as a seventh of the axis.
    gap = math.log(high / low) / 7
    choices = [_apart([tick for tick in tier if low <= tick <= high], gap) for tier in tried]
    ticks = next((choice for choice in choices if len(choice) > 2), max(choices, key=len))
    ticked(axis, low, high, ticks, [name(tick) for tick in ticks])


def _apart(ticks: Sequence[float], gap: float) -> list[float]:
    """Those of rising positive numbers whose logarithms are so far apart."""
    found: list[float] = []
    for tick in ticks:
        if not found or math.log(tick / found[-1]) >= gap:
            found.append(tick)
    return found


def ticked(axis: Any, low: float, high: float, ticks: Sequence[float], names: Sequence[str]) -> None:
    """A logarithmic axis with these ticks."""
    (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
    (axis.axes.set_xlim if axis.axis_name == "x" else axis.axes.set_ylim)(low, high)
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_major_formatter(FixedFormatter(list(names)))
    axis.set_minor_locator(NullLocator())


def intervals(
    axes: Any, places: Sequence[float], found: Sequence[Estimate], aside: tuple[int, int] = (0, 1), **style: Any
) -> None:
    """Estimates with their intervals.

    Args:
        axes: where.
        places: along x, as data.
        found: along y.
        aside: the place among how many that are too close to be told apart: they are moved aside on the page, by 4
            points each, and stay what they are as data.
        style: arguments of `errorbar`.
    """
    place, count = aside
    moved = ScaledTranslation((place - (count - 1) / 2) * 4 / 72, 0, axes.figure.dpi_scale_trans)
    ends = np.hstack([spread(e) for e in found])
    axes.errorbar(places, [e.value for e in found], ends, transform=axes.transData + moved, elinewidth=1, **style)
    # What is moved is not counted by matplotlib itself.
    axes.update_datalim([(x, end) for x, e in zip(places, found, strict=True) for end in (e.low, e.high)])
    axes.autoscale_view()


def crowds(values: Sequence[float]) -> list[tuple[int, int]]:
    """For each value on a logarithmic axis its place among those that lie too close together, and their number."""
    order = sorted(range(len(values)), key=lambda n: values[n])
    near = 0.025 * math.log(max(values) / min(values))
    groups: list[list[int]] = []
    for n in order:
        if groups and math.log(values[n] / values[groups[-1][-1]]) <= near:
            groups[-1].append(n)
        else:
            groups.append([n])
    found = {n: (place, len(members)) for members in groups for place, n in enumerate(members)}
    return [found[n] for n in range(len(values))]


def legend(figure: Any) -> None:
    """Above the axes, where it can hide no point, in as many columns as the names leave room for."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    # Of intervals the line and marker alone.
    handles = [getattr(handle, "lines", [handle])[0] for handle in handles]
    columns = max(1, min(4, _LEGEND // (3 + max(map(len, labels), default=1))))
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(labels) // columns))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, fontsize="small")


def rows_of(count: int, each: float = 0.36) -> float:
    """Height in inches of so many labelled rows with an axis below."""
    return 0.75 + each * count


def named_rows(axes: Any, names: Sequence[str]) -> None:
    """Rows from the top down, at 0, 1, ...; each name stands above its row, where long ones have room."""
    axes.set_ylim(len(names) - 0.55, -0.85)
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    for place, name in enumerate(names):
        axes.text(
            0.005, place - 0.3, name, transform=axes.get_yaxis_transform(), fontsize="small", va="bottom", zorder=4
        )


def render(drawn: Drawn) -> Plot:
    """Makes the files; within `RC`."""
    png, svg = io.BytesIO(), io.StringIO()
    drawn.figure.savefig(png, format="png", dpi=_PNG_DPI, facecolor="white", metadata={"Software": None})
    # The places are found: finding them once more takes half of the time.
    drawn.figure.set_layout_engine("none")
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    drawn.figure.savefig(svg, format="svg", transparent=True, metadata=nothing)
    text = svg.getvalue()[svg.getvalue().index("<svg") :].replace(INK, "currentColor")
    # A rule for all elements would be one for the page's, too.
    text = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = text.replace("<svg ", '<svg stroke-linejoin="round" stroke-linecap="butt" ', 1)
    return Plot(drawn.name, drawn.title, drawn.alt, text, png.getvalue(), drawn.group)
