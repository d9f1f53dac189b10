"""Retrieval with several right answers: ranks, recall@k, median rank, mean reciprocal rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]


def ranks(similarity: NDArray[np.floating[Any]], right: NDArray[np.bool_]) -> Ranks:
    """For each query the rank of its best right answer, 1 being the first place.

    Among equal similarities the wrong answers come first, so that a model that maps all to one point scores worst;
    so does one whose similarities are not numbers: a wrong answer's comes first then, a right answer's last.

    Args:
        similarity: float of shape (queries, pool).
        right: bool of the same shape; every row holds at least one True.

    Raises:
        ValueError: a query has no right answer in the pool.
    """
    if not right.any(axis=1).all():
        raise ValueError("a query has no right answer in the pool")
    best = np.fmax.reduce(np.where(right, similarity, -np.inf), axis=1, keepdims=True)
    return np.asarray(1 + (~right & ~(similarity < best)).sum(axis=1), dtype=np.int64)


def recall(places: Ranks, k: int) -> float:
    """Share of queries with a right answer among the first k, 0 to 1.

    Also called hit rate or success@k, and the retrieval recall of CLIP and of CLIP_benchmark's `zeroshot_retrieval`,
    to which it is equal for the same matrix of right answers where no similarities tie. Two things differ there. Only
    the picture that a caption was written for is right for it, where here every picture of the concept may be. And
    `recall_at_k` itself, before it is compared with zero, is the share of a query's right answers among the first k:
    equal to ours where each query has one right answer, and else lower. Equal similarities are in any order there.
    """
    return float((places <= k).mean())


def mean_reciprocal_rank(places: Ranks) -> float:
    """Mean of 1 / rank, 0 to 1."""
    return float((1.0 / places).mean())


def ndcg(similarity: NDArray[np.floating[Any]], right: NDArray[np.bool_], k: int = 10) -> NDArray[np.float64]:
    """Normalized discounted cumulative gain of the first k of each query, 0 to 1, shape (queries,).

    A right answer gains one. Ties and what is no number are placed as by `ranks`. Järvelin & Kekäläinen, "Cumulated
    gain-based evaluation of IR techniques", ACM TOIS 2002.

    Args:
        similarity: float of shape (queries, pool).
        right: bool of the same shape; every row holds at least one True.
        k: how many places count; the whole pool if it is smaller.

    Raises:
        ValueError: a query has no right answer in the pool, or k is not positive.
    """
    if not right.any(axis=1).all():
        raise ValueError("a query has no right answer in the pool")
    if k < 1:
        raise ValueError(f"k must be at least 1, is {k}")
    known = np.where(np.isnan(similarity), np.where(right, -np.inf, np.inf), similarity)
    # By similarity, and of equal ones the wrong first.
    order = np.lexsort((right, -known), axis=1)[:, :k]
    discounts = 1 / np.log2(np.arange(2, order.shape[1] + 2))
    gained = np.take_along_axis(right, order, axis=1) @ discounts
    ideal = np.cumsum(discounts)[np.minimum(right.sum(axis=1), len(discounts)) - 1]
    return np.asarray(gained / ideal, dtype=np.float64)


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
