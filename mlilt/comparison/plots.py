"""Plots of a comparison as SVG, to be put into a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter

from mlilt.comparison.results import Group, Row
from mlilt.comparison.words import label as label_of

# Okabe & Ito's colours, which colour-blind readers can tell apart; markers repeat at another pace.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# Letters that a line of the legend holds.
_LEGEND = 60


def quality_against(group: Group, label: str, value: Callable[[Row], float], log: bool = True) -> str:
    """Text -> image recall@10 of each method, with its interval, against a cost."""
    figure, axes = _axes(label, "text → image recall@10")
    for place, row in enumerate(group.rows):
        figures = row.figures["text_to_image"]["recall_at_10"]
        spread = [[figures.value - figures.low], [figures.high - figures.value]]
        axes.errorbar(
            value(row), figures.value, spread, label=label_of(group, row), **_style(place), capsize=3, linestyle="none"
        )
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    return _svg(figure)


def learning_curves(group: Group) -> str:
    """Text -> image recall@10 on the validation split after each epoch, mean over seeds."""
    figure, axes = _axes("epoch", "validation recall@10")
    for place, row in enumerate(group.rows):
        curves = [run.record.validation for run in group.members(row)]
        if not all(curves):
            continue
        epochs = [point["epoch"] for point in curves[0]]
        means = [_mean([curve[i]["text_to_image_recall_at_10"] for curve in curves]) for i in range(len(epochs))]
        axes.plot(epochs, means, label=label_of(group, row), **_style(place), linestyle="-")
    return _svg(figure)


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(alpha=0.3, which="major")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _style(place: int) -> dict[str, Any]:
    return {"color": _COLOURS[place % len(_COLOURS)], "marker": _MARKERS[place % len(_MARKERS)], "markersize": 7}


def _svg(figure: Figure) -> str:
    # Above the axes, where it can hide no point, in as many columns as the names leave room for.
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = max(1, min(4, _LEGEND // max(map(len, labels), default=1)))
    figure.set_figheight(3.4 + 0.2 * -(-len(labels) // columns))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, frameon=False, fontsize="small")
    out = io.StringIO()
    # Text stays text, and ids follow from the content, so that the same runs give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mlilt", "font.family": "sans-serif"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
