"""Intervals by the bootstrap: Efron, "Bootstrap Methods: Another Look at the Jackknife", Ann. Statist. 1979."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_CHUNK = 2_000_000


def clusters(values: NDArray[Any], names: Sequence[str]) -> NDArray[np.float64]:
    """Gathers values that belong together, to be drawn together: pictures of one concept are not independent.

    Args:
        values: one a query, shape (queries,).
        names: of the cluster of each query.

    Returns:
        Shape (clusters, most queries in one), filled up with NaN.
    """
    found: dict[str, list[float]] = {}
    for name, value in zip(names, values.tolist(), strict=True):
        found.setdefault(name, []).append(float(value))
    table = np.full((len(found), max(map(len, found.values()), default=0)), np.nan)
    for row, members in enumerate(found.values()):
        table[row, : len(members)] = members
    return table


def bootstrap_interval(
    values: NDArray[Any],
    statistic: Callable[[NDArray[Any]], NDArray[Any]],
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic over queries.

    Args:
        values: one value a query, shape (queries,), or what `clusters` makes of them: then clusters are drawn, and
            the statistic must leave NaN out.
        statistic: maps (resamples, values) to (resamples,), such as a mean over the last axis.
        level: share of resamples that the interval covers.
        resamples: how often queries are drawn with replacement.
        seed: of the draws.

    Returns:
        Lower and upper end.
    """
    random = np.random.default_rng(seed)
    rows = max(1, min(resamples, _CHUNK // max(values.size, 1)))
    parts = []
    for start in range(0, resamples, rows):
        draw = random.integers(len(values), size=(min(rows, resamples - start), len(values)))
        parts.append(statistic(values[draw].reshape(len(draw), -1)))
    low, high = np.quantile(np.concatenate(parts), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
