"""Intervals by the bootstrap: Efron, "Bootstrap Methods: Another Look at the Jackknife", Ann. Statist. 1979."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_CHUNK = 2_000_000


def bootstrap_interval(
    values: NDArray[Any],
    statistic: Callable[[NDArray[Any]], NDArray[Any]],
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic over queries.

    Args:
        values: one value a query, shape (queries,).
        statistic: maps (resamples, queries) to (resamples,), such as a mean over the last axis.
        level: share of resamples that the interval covers.
        resamples: how often queries are drawn with replacement.
        seed: of the draws.

    Returns:
        Lower and upper end.
    """
    random = np.random.default_rng(seed)
    rows = max(1, min(resamples, _CHUNK // max(len(values), 1)))
    parts = []
    for start in range(0, resamples, rows):
        draw = random.integers(len(values), size=(min(rows, resamples - start), len(values)))
        parts.append(statistic(values[draw]))
    low, high = np.quantile(np.concatenate(parts), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
