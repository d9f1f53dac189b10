"""Retrieval with several right answers: ranks, recall@k, median rank, mean reciprocal rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]


def ranks(similarity: NDArray[np.floating[Any]], right: NDArray[np.bool_]) -> Ranks:
    """For each query the rank of its best right answer, 1 being the first place.

    Among equal similarities the wrong answers come first, so that a model that maps all to one point scores worst;
    so does one whose similarities are not numbers.

    Args:
        similarity: float of shape (queries, pool).
        right: bool of the same shape; every row holds at least one True.

    Raises:
        ValueError: a query has no right answer in the pool.
    """
    if not right.any(axis=1).all():
        raise ValueError("a query has no right answer in the pool")
    best = np.where(right, similarity, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(1 + (~right & ~(similarity < best)).sum(axis=1), dtype=np.int64)


def recall(places: Ranks, k: int) -> float:
    """Share of queries with a right answer among the first k, 0 to 1."""
    return float((places <= k).mean())


def mean_reciprocal_rank(places: Ranks) -> float:
    """Mean of 1 / rank, 0 to 1."""
    return float((1.0 / places).mean())


def chance_recall(right: NDArray[np.bool_], k: int) -> float:
    """Recall@k expected of a random order, 0 to 1: one minus the hypergeometric chance of k misses, averaged.

    Args:
        right: bool of shape (queries, pool), as for `ranks`.
        k: how many places count; the whole pool if it is smaller.
    """
    pool = right.shape[1]
    misses = np.ones(len(right))
    for taken in range(min(k, pool)):
        misses *= np.clip(pool - right.sum(axis=1) - taken, 0, None) / (pool - taken)
    return float(1 - misses.mean())
