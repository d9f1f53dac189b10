"""Retrieval with several right answers: ranks, recall@k, median rank, mean reciprocal rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]
Concepts = NDArray[np.int64]

# Similarities held at once: some MB, which stay in a processor's cache from one pass over them to the next.
_BLOCK = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """One side of a retrieval.

    Attributes:
        vectors: L2-normalized, float of shape (items, dim).
        concepts: of each item the number of what it shows or asks for, shape (items,).
    """

    vectors: NDArray[np.floating[Any]]
    concepts: Concepts

    def __len__(self) -> int:
        """How many items."""
        return len(self.concepts)

    def __getitem__(self, some: NDArray[Any] | slice) -> Embedded:
        """Some of them: indices, a mask or a slice."""
        return Embedded(self.vectors[some], self.concepts[some])


def compare(queries: Embedded, pool: Embedded) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Similarities of all queries with all of the pool, and which are of one concept: both of shape (queries, pool)."""
    return queries.vectors @ pool.vectors.T, queries.concepts[:, None] == pool.concepts[None, :]


def blocks(queries: Embedded, pool: Embedded) -> Iterator[tuple[slice, NDArray[Any], NDArray[np.bool_]]]:
    """Some queries after the other, so that memory grows with the pool and not with its square.

    Returns:
        Which queries, and what `compare` says of them.
    """
    some = max(1, _BLOCK // max(len(pool), 1))
    for start in range(0, len(queries), some):
        which = slice(start, start + some)
        yield which, *compare(queries[which], pool)


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """How each query of a retrieval fared.

    Attributes:
        ranks: as `ranks`, shape (queries,).
        gains: as `ndcg` at ten, shape (queries,).
        answers: how many of the pool are right, shape (queries,).
        pool: how many there are to find.
    """

    ranks: Ranks
    gains: NDArray[np.float64]
    answers: NDArray[np.int64]
    pool: int

    def chance(self, k: int) -> float:
        """Recall@k of a random order."""
        return chance_recall(self.answers, self.pool, k)


def place(queries: Embedded, pool: Embedded) -> Placed:
    """Looks for each query in the pool.

    Raises:
        ValueError: a query has no right answer in the pool.
    """
    found = Placed(
        np.zeros(len(queries), np.int64), np.zeros(len(queries)), np.zeros(len(queries), np.int64), len(pool)
    )
    for which, similarity, right in blocks(queries, pool):
        found.ranks[which] = ranks(similarity, right)
        found.gains[which] = ndcg(similarity, right)
        found.answers[which] = right.sum(axis=1)
    return found


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
    k = min(k, similarity.shape[1])
    away = -similarity
    if (unknown := np.isnan(away)).any():
        away = np.where(unknown, np.where(right, np.inf, -np.inf), away)
    nearest = np.argpartition(away, k - 1, axis=1)[:, :k]
    distances, fits = np.take_along_axis(away, nearest, axis=1), np.take_along_axis(right, nearest, axis=1)
    order = np.lexsort((fits, distances), axis=1)
    distances, fits = np.take_along_axis(distances, order, axis=1), np.take_along_axis(fits, order, axis=1)
    # Of those as far as the last there may be more than there is room for, and any of them: there the wrong are first.
    last = distances == distances[:, -1:]
    wrong = ((away == distances[:, -1:]) & ~right).sum(axis=1, keepdims=True)
    fits = np.where(last, last.cumsum(axis=1) > wrong, fits)
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(right.sum(axis=1), k) - 1]
    return np.asarray(fits @ discounts / ideal, dtype=np.float64)


def chance_recall(answers: NDArray[np.int64], pool: int, k: int) -> float:
    """Recall@k expected of a random order, 0 to 1: one minus the hypergeometric chance of k misses, averaged.

    Args:
        answers: of each query how many of the pool are right, shape (queries,).
        pool: how many there are to find.
        k: how many places count; the whole pool if it is smaller.
    """
    misses = np.ones(len(answers))
    for taken in range(min(k, pool)):
        misses *= np.clip(pool - answers - taken, 0, None) / (pool - taken)
    return float(1 - misses.mean())
