"""How quality on the validation split grows with the epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mlilt.comparison.plots import _select
from mlilt.comparison.plots._style import Drawn, Looks, canvas, legend, share_axis
from mlilt.comparison.results import Run
from mlilt.comparison.study import Study
from mlilt.comparison.words import label

Values = NDArray[np.float64]


def draw(study: Study, looks: Looks) -> Iterator[Drawn]:
    """A group's methods; the band is from the lowest to the highest seed. Of more than eight languages none."""
    groups = _select.shown(study)
    for group in groups if len(groups) <= _select.FEW else ():
        figure, axes = canvas()
        parts = []
        for row in group.rows:
            found = curve(group.members(row))
            if found is None:
                continue
            epochs, values = found
            means, name = values.mean(axis=0), label(group, row)
            style = looks(row)
            axes.plot(epochs, means, label=name, markevery=max(1, len(epochs) // 8), **style)
            axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=style["color"], alpha=0.08, lw=0)
            parts.append(f"{name} {100 * means[0]:.1f} % at epoch {epochs[0]:.3g}, {100 * means[-1]:.1f} % at the end")
        if not parts:
            continue
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        share_axis(axes.yaxis, "validation recall@10")
        legend(figure)
        where = _select.title(study, group)
        yield Drawn(
            f"learning-curves-{_select.stem(study, group)}",
            f"Quality over training: {where}",
            f"Text→image recall@10 on the validation split, {where}, mean over seeds, bands from the lowest to the "
            f"highest: {'; '.join(parts)}.",
            figure,
            group,
        )


def curve(runs: Sequence[Run]) -> tuple[Values, Values] | None:
    """Epochs and values of runs that differ in their seeds, shapes (n,) and (runs, n); None if one has no curve.

    Runs of a fixed time end at different epochs: they are shown as far as all came, between their own epochs
    interpolated.
    """
    curves = [run.record.validation for run in runs]
    if not all(curves):
        return None
    epochs = [np.array([point["epoch"] for point in one]) for one in curves]
    reached = [np.array([point["text_to_image_recall_at_10"] for point in one]) for one in curves]
    first, last = max(e[0] for e in epochs), min(e[-1] for e in epochs)
    shared = np.unique(np.concatenate(epochs))
    shared = shared[(shared >= first) & (shared <= last)]
    if not len(shared):
        return None
    return shared, np.stack([np.interp(shared, e, values) for e, values in zip(epochs, reached, strict=True)])
