"""Plots of a comparison, as SVG for pages and print and as PNG: one module a plot."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl

from mlilt.comparison.plots import (
    conservation,
    costs,
    cross_lingual,
    forgetting,
    learning_curves,
    low_resource,
    quality,
    reliability,
    scaling,
)
from mlilt.comparison.plots._style import RC, Drawn, Looks, Plot, render
from mlilt.comparison.study import Study

__all__ = ["Plot", "draw", "drawn"]

# In the order of the report; here alone it is written down.
_PLOTS = (quality, low_resource, scaling, forgetting, cross_lingual, conservation, costs, learning_curves, reliability)


def draw(study: Study) -> list[Plot]:
    """All plots that a study has the data for, in the order of the report.

    Of a study of more than eight groups, only the largest group of each language has plots of its own, and of more
    than eight languages none but the first one's costs: what is left are plots over all of them. The same study gives
    the same files.
    """
    with mpl.rc_context(RC):
        return [render(each) for each in drawn(study)]


def drawn(study: Study) -> Iterator[Drawn]:
    """The same before they are files; each with a name of its own."""
    looks = Looks(study)
    names: set[str] = set()
    for module in _PLOTS:
        for each in module.draw(study, looks):
            name, count = each.name, 1
            while name in names:
                count += 1
                name = f"{each.name}-{count}"
            names.add(name)
            yield Drawn(name, each.title, each.alt, each.figure, each.group)
