"""What each method costs beside full-model training."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter

from mlilt.comparison.plots import _select
from mlilt.comparison.plots._style import INK, Drawn, Looks, canvas, legend, tell
from mlilt.comparison.results import Row
from mlilt.comparison.study import Study
from mlilt.comparison.words import label

QUANTITIES: dict[str, Callable[[Row], float | None]] = {
    "time of training": lambda row: row.wall_s,
    "CPU time": lambda row: row.cpu_s,
    "floating-point operations a pair": lambda row: row.flops_per_pair,
    "peak memory": lambda row: row.peak_bytes,
    "bytes of the saved run": lambda row: row.saved_bytes,
}
# Inches of a method's bar, and of a quantity's name.
_BAR, _NAME = 0.17, 0.3


def draw(study: Study, looks: Looks) -> Iterator[Drawn]:
    """One group a language, the largest; of more than eight languages the first alone."""
    groups = _select.largest(study.groups)
    for group in groups if len(groups) <= _select.FEW else groups[:1]:
        held = [(row, full) for row in group.rows if (full := group.baseline(row)) is not None]
        shares = {
            name: [(row, ours / theirs) for row, full in held if (ours := value(row)) and (theirs := value(full))]
            for name, value in QUANTITIES.items()
        }
        shares = {name: found for name, found in shares.items() if found}
        if not shares:
            continue
        step = _BAR * len(held) + _NAME
        figure, axes = canvas(0.6 + step * len(shares))
        axes.set_ylim(step * len(shares), 0)
        axes.yaxis.set_major_locator(NullLocator())
        axes.axvline(1, color=INK, linewidth=1)
        across = axes.get_yaxis_transform()
        places = {row.method: place for place, (row, _) in enumerate(held)}
        for number, (name, found) in enumerate(shares.items()):
            top = number * step
            axes.text(0.005, top + 0.05, name, transform=across, fontsize="small", va="top")
            for row, share in found:
                at, style = top + _NAME + (places[row.method] + 0.2) * _BAR, {**looks(row), "linestyle": "none"}
                axes.hlines(at, 0, share, color=style["color"], linewidth=3)
                axes.plot(share, at, label=label(group, row) if not number else None, **style)
                # In a column, where no line crosses them.
                axes.text(1, at, tell(share), transform=across, ha="right", va="center", fontsize="x-small")
        axes.set_xlim(0, 1.2 * max(1.0, *(share for found in shares.values() for _, share in found)))
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.set_xlabel("of full-model training" if group.reference is None else "of the reference")
        legend(figure)
        said = [
            f"{name} {', '.join(f'{label(group, row)} {tell(share)}' for row, share in found)}"
            for name, found in shares.items()
        ]
        where = _select.title(study, group)
        against = "full-model training" if group.reference is None else "the reference"
        yield Drawn(
            f"costs-{_select.stem(study, group)}",
            f"Costs beside {against}: {where}",
            f"Costs as shares of those of {against}, {where}: {'; '.join(said)}.",
            figure,
            group,
        )
