"""Nearest neighbours among many vectors: an inverted file, scanned in 8 bits, the best compared again in 16.

Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", IEEE TPAMI 2011, section 4. Vectors lie in
lists, each around a centroid, and a query is compared with those of the nearest lists alone. A graph of neighbours
(HNSW) was tried first: texts lie apart from pictures in a shared space (Liang et al., "Mind the Gap", NeurIPS 2022),
and a graph built among pictures is a poor guide for who comes from a text (docs/benchmarks.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numkong
import numpy as np
from numpy.typing import NDArray

from mlilt.search import tensors

# Up to so many vectors are all compared: it takes no time.
EXACT = 10_000
# Vectors that a list has on average.
_LIST = 400
# At least this share of the vectors, and so many, are compared with a query.
_SHARE, _LEAST = 0.06, 20_000
# So many of the best in 8 bits are compared again in 16, and for each that is asked for.
_AGAIN, _AGAIN_EACH = 100, 4
# Training centroids: vectors for each, and rounds.
_SAMPLE, _ROUNDS = 40, 8
# Vectors that are assigned or compared at a time.
_PART = 20_000

Keys = NDArray[np.uint64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Lists:
    """Vectors in lists.

    Attributes:
        centroids: L2-normalized, float32 of shape (lists, dim).
        trained: for how many vectors the centroids were made.
        starts: where each list begins, and behind them the end, int64 of shape (lists + 1,).
        keys: of the vectors, list by list.
        halves: the vectors, float16 of shape (n, dim).
        codes: the vectors in steps of their own, int8 of the same shape.
        steps: of each vector, float32 of shape (n,).
    """

    centroids: Floats
    trained: int
    starts: NDArray[np.int64]
    keys: Keys
    halves: NDArray[np.float16]
    codes: NDArray[np.int8]
    steps: Floats


class Vectors:
    """L2-normalized vectors by key, kept in float16. `open` and `empty` make them."""

    def __init__(self, lists: _Lists) -> None:
        self._lists = lists
        self._order: NDArray[np.int64] | None = None
        self._coarse: NDArray[np.float16] | None = None
        self._came: list[tuple[Keys, NDArray[np.float16]]] = []
        self._gone: list[Keys] = []

    @classmethod
    def empty(cls, dim: int) -> Vectors:
        """None yet."""
        none = np.empty((0, dim), np.float16)
        return cls(_arranged(np.empty(0, np.uint64), none, np.zeros((1, dim), np.float32), 0))

    @classmethod
    def open(cls, path: Path) -> Vectors:
        """Those of a file, mapped into memory; changes come to lie in memory until they are saved.

        Raises:
            ValueError: the file is none that `save` wrote.
        """
        read = tensors.read(path)
        if read.keys() != set(_Lists.__slots__):
            raise ValueError(f"{path} holds no vectors")
        return cls(_Lists(**{**read, "trained": int(read["trained"][0])}))  # type: ignore[arg-type]

    def save(self, path: Path) -> None:
        """Writes a file that `open` takes; not over the one that these are mapped from."""
        self._settle()
        lists = self._lists
        arrays = {name: getattr(lists, name) for name in _Lists.__slots__}
        tensors.write(path, {**arrays, "trained": np.array([lists.trained])})

    def __len__(self) -> int:
        self._settle()
        return len(self._lists.keys)

    @property
    def dim(self) -> int:
        """Size of a vector."""
        return int(self._lists.halves.shape[1])

    def get(self, keys: Keys) -> Floats:
        """Their vectors, float32 of shape (n, dim), as they are kept; KeyError if one is not there."""
        return self._lists.halves[self._places(keys)].astype(np.float32)

    def add(self, keys: Keys, vectors: Floats) -> None:
        """Adds vectors of shape (n, dim) by keys that are not there yet."""
        self._came.append((np.array(keys, np.uint64), vectors.astype(np.float16)))

    def remove(self, keys: Keys) -> None:
        """Takes out vectors by their keys; KeyError if one is not there."""
        self._places(keys)
        self._gone.append(keys)

    def nearest(self, queries: Floats, top: int, exact: bool = False) -> list[tuple[Keys, Floats]]:
        """Of each query the keys of the nearest vectors, best first, with cosine similarities.

        Args:
            queries: L2-normalized, of shape (n, dim).
            top: so many of each, or as many as there are.
            exact: compare with all.
        """
        top = min(top, len(self))
        if not top:
            return [(np.empty(0, np.uint64), np.empty(0, np.float32)) for _ in queries]
        # Who asks for many would miss those in other lists.
        exact = exact or len(self) <= EXACT or top > len(self) * _SHARE / 2
        return [self._nearest(query, top, exact) for query in np.asarray(queries, np.float32)]

    def _nearest(self, query: Floats, top: int, exact: bool) -> tuple[Keys, Floats]:
        keys, halves = self._lists.keys, self._lists.halves
        if not exact:
            places = self._candidates(query, _AGAIN + _AGAIN_EACH * top)
            keys, halves = keys[places], halves[places]
        scores = _dots(query.astype(np.float16), halves)
        best = _best(scores, top)
        best = best[np.argsort(-scores[best], kind="stable")]
        return keys[best], scores[best]

    def _candidates(self, query: Floats, count: int) -> NDArray[np.int64]:
        """Places of the nearest in the nearest lists, in 8 bits."""
        lists = self._lists
        [code], _ = _coded(query[None])
        spans = self._nearest_lists(query)
        scores = [_dots(code, lists.codes[start:end]) * lists.steps[start:end] for start, end in spans]
        best = _best(np.concatenate(scores), count)
        # From places among what was compared to places among all.
        starts, ends = np.array(spans).T
        behind = (ends - starts).cumsum()
        span = np.searchsorted(behind, best, "right")
        found: NDArray[np.int64] = ends[span] - behind[span] + best
        return found

    def _nearest_lists(self, query: Floats) -> list[tuple[int, int]]:
        """Where the nearest lists begin and end, so many that they hold enough vectors together."""
        lists = self._lists
        if self._coarse is None:
            self._coarse = lists.centroids.astype(np.float16)
        # Not by NumPy, whose threads wait for cores on which those of the text tower still wait for work.
        order = np.argsort(-_dots(query.astype(np.float16), self._coarse))
        sizes = np.diff(lists.starts)[order].cumsum()
        count = 1 + int(np.searchsorted(sizes, max(_LEAST, _SHARE * len(lists.keys))))
        return [(int(lists.starts[each]), int(lists.starts[each + 1])) for each in order[:count]]

    def _places(self, keys: Keys) -> NDArray[np.int64]:
        self._settle()
        there = self._lists.keys
        if self._order is None:
            self._order = np.argsort(there, kind="stable")
        if not len(keys):
            return np.empty(0, np.int64)
        if len(there):
            found = np.searchsorted(there, keys, sorter=self._order)
            places = self._order[np.minimum(found, len(there) - 1)]
            if (there[places] == keys).all():
                return places
        raise KeyError("a key is not there")

    def _settle(self) -> None:
        """Brings what came and what went into the lists."""
        if not self._came and not self._gone:
            return
        lists = self._lists
        kept = ~np.isin(lists.keys, np.concatenate(self._gone), kind="sort") if self._gone else slice(None)
        keys = np.concatenate([lists.keys[kept], *(keys for keys, _ in self._came)])
        halves = np.concatenate([lists.halves[kept], *(vectors for _, vectors in self._came)])
        self._came, self._gone, self._order, self._coarse = [], [], None, None
        centroids, trained = lists.centroids, lists.trained
        # Of a set that has grown twofold or shrunk to a half, lists are made anew.
        if not trained / 2 < len(keys) < 2 * trained:
            centroids, trained = _centroids(halves), len(keys)
        self._lists = _arranged(keys, halves, centroids, trained)


def _centroids(halves: NDArray[np.float16]) -> Floats:
    """Spherical k-means on a part of the vectors; the same for the same vectors."""
    count = max(1, len(halves) // _LIST)
    if len(halves) <= EXACT:
        return np.zeros((1, halves.shape[1]), np.float32)
    random = np.random.default_rng(0)
    chosen = np.sort(random.choice(len(halves), min(len(halves), _SAMPLE * count), replace=False))
    sample = halves[chosen].astype(np.float32)
    centroids = sample[random.choice(len(sample), count, replace=False)]
    for _ in range(_ROUNDS):
        whose = _assigned(sample, centroids)
        order = np.argsort(whose, kind="stable")
        there, first = np.unique(whose[order], return_index=True)
        sums = np.add.reduceat(sample[order], first)
        # A centroid that nobody is near begins again at a vector.
        centroids = sample[random.choice(len(sample), count, replace=False)]
        centroids[there] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centroids


def _assigned(vectors: NDArray[Any], centroids: Floats) -> NDArray[np.int64]:
    """The nearest centroid of each vector."""
    if len(centroids) == 1:
        return np.zeros(len(vectors), np.int64)
    parts = (vectors[start : start + _PART].astype(np.float32) for start in range(0, len(vectors), _PART))
    return np.concatenate([(part @ centroids.T).argmax(1) for part in parts])


def _arranged(keys: Keys, halves: NDArray[np.float16], centroids: Floats, trained: int) -> _Lists:
    whose = _assigned(halves, centroids)
    order = np.argsort(whose, kind="stable")
    starts = np.searchsorted(whose[order], np.arange(len(centroids) + 1))
    halves = halves[order]
    codes, steps = np.empty(halves.shape, np.int8), np.empty(len(halves), np.float32)
    for start in range(0, len(halves), _PART):
        part = slice(start, start + _PART)
        codes[part], steps[part] = _coded(halves[part].astype(np.float32))
    return _Lists(centroids, trained, starts.astype(np.int64), keys[order], halves, codes, steps)


def _coded(vectors: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Vectors in 8 bits, each in steps of its own: 127 of them are its largest part."""
    steps = np.maximum(np.abs(vectors).max(axis=1), 1e-12) / 127
    return np.rint(vectors / steps[:, None]).astype(np.int8), steps.astype(np.float32)


def _dots(query: NDArray[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    """Dot products of one vector, of shape (dim,), with many of the same kind of number."""
    if not len(vectors):
        return np.empty(0, np.float32)
    found: NDArray[Any] = np.asarray(numkong.cdist(query[None], vectors, "dot"))[0]
    return found if found.dtype == np.int32 else found.astype(np.float32)


def _best(scores: Floats, count: int) -> NDArray[np.int64]:
    """Places of the highest scores, in no order."""
    if count >= len(scores):
        return np.arange(len(scores))
    # The best of a part are a bound that few of all reach: quicker than to divide all.
    part = scores[: max(_PART, 2 * count)]
    among = np.flatnonzero(scores >= np.partition(part, -count)[-count])
    found: NDArray[np.int64] = among[np.argpartition(scores[among], -count)[-count:]]
    return found
