"""Is a query as often right as the learned temperature makes it sure? Guo et al., ICML 2017, figure 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from mlilt.comparison.plots import _select
from mlilt.comparison.plots._style import INK, Drawn, Looks, canvas, legend
from mlilt.comparison.results import Run
from mlilt.comparison.study import Study
from mlilt.comparison.words import label

Values = NDArray[np.float64]

_LEANS = {-1: "less often right than sure", 0: "as often right as sure", 1: "more often right than sure"}


class Reliability(NamedTuple):
    """Confidence, accuracy and queries of the bins that are not empty; the expected calibration error."""

    confidence: Values
    accuracy: Values
    counts: Values
    error: float


def draw(study: Study, looks: Looks) -> Iterator[Drawn]:
    """A group's methods, those of which all runs were put to the test. Of more than eight languages none."""
    groups = _select.shown(study)
    for group in groups if len(groups) <= _select.FEW else ():
        known = [
            (row, found) for row in group.rows if (found := reliability(study, group.members(row), group.language))
        ]
        if not known:
            continue
        figure, axes = canvas(3.6)
        axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1)
        parts = []
        for row, found in known:
            style, name = looks(row), label(group, row)
            axes.plot(found.confidence, found.accuracy, label=f"{name}: ECE {100 * found.error:.1f} %", **style)
            parts.append(f"{name} {100 * found.error:.1f} %, {_LEANS[_side(found)]}")
        for axis, text in ((axes.xaxis, "how sure: probability of the first place"), (axes.yaxis, "how often right")):
            axis.set_label_text(text)
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        legend(figure)
        where = _select.title(study, group)
        yield Drawn(
            f"reliability-{_select.stem(study, group)}",
            f"Calibration: {where}",
            f"How often text→image queries are right against how sure they are, {where}; expected calibration error: "
            f"{'; '.join(parts)}.",
            figure,
            group,
        )


def reliability(study: Study, runs: Sequence[Run], language: str) -> Reliability | None:
    """Of runs that differ in their seeds: all their queries in the same bins, and the mean of their errors."""
    found = [m.about for run in runs if (m := study.found(run, "calibration", language)) is not None]
    if not found or len(found) < len(runs) or len({len(about["counts"]) for about in found}) > 1:
        return None
    counts = np.array([about["counts"] for about in found], dtype=np.float64)
    sums = []
    for key in ("bin_confidence", "bin_accuracy"):
        values = np.array([[0.0 if v is None else v for v in about[key]] for about in found])
        sums.append((values * counts).sum(axis=0))
    total = counts.sum(axis=0)
    there = total > 0
    confidence, accuracy = (each[there] / total[there] for each in sums)
    return Reliability(confidence, accuracy, total[there], float(np.mean([about["error"] for about in found])))


def _side(found: Reliability) -> int:
    """Whether accuracy is above confidence over all queries, by more than a point."""
    gap = float(np.average(found.accuracy - found.confidence, weights=found.counts))
    return 0 if abs(gap) < 0.01 else int(np.sign(gap))
