"""Nearest neighbours among many vectors: usearch's graph (HNSW), which can be searched where it lies on disk.

Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
graphs", 2016 (arXiv:1603.09320).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

# Edges a vector has, and how many candidates are held while it finds its place, and while it is searched for.
_EDGES = 24
_CANDIDATES: dict[str, Any] = {"expansion_add": 128, "expansion_search": 192}
# Up to so many vectors are all compared: it takes no longer than the graph does.
EXACT = 10_000

Keys = NDArray[np.uint64]


class Vectors:
    """L2-normalized vectors by key, kept in float16. `open` and `empty` make them."""

    def __init__(self, index: Index) -> None:
        self._index = index

    @classmethod
    def empty(cls, dim: int) -> Vectors:
        """None yet."""
        return cls(Index(ndim=dim, metric="ip", dtype="f16", connectivity=_EDGES, **_CANDIDATES))

    @classmethod
    def open(cls, path: Path, view: bool = True) -> Vectors:
        """Those of a file: mapped into memory and read-only, or (without `view`) to be changed."""
        index = Index.restore(path, view=view, **_CANDIDATES)
        if index is None:
            raise ValueError(f"{path} holds no vectors")
        return cls(index)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def dim(self) -> int:
        """Size of a vector."""
        return int(self._index.ndim)

    def get(self, keys: Keys) -> NDArray[np.float32]:
        """Their vectors, float32 of shape (n, dim), as they are kept; KeyError if one is not there."""
        if not len(keys):
            return np.empty((0, self.dim), np.float32)
        found = self._index.get(keys, dtype="f32")
        if found is None or any(row is None for row in found):
            raise KeyError("a key is not there")
        return np.asarray(found, np.float32).reshape(len(keys), self.dim)

    def add(self, keys: Keys, vectors: NDArray[np.float32]) -> None:
        """Adds vectors of shape (n, dim) by keys that are not there yet, with as many threads as there are cores."""
        if len(keys):
            self._index.add(keys, vectors)

    def remove(self, keys: Keys) -> None:
        """Takes out vectors by their keys."""
        if len(keys):
            self._index.remove(keys)

    def save(self, path: Path) -> None:
        """Writes a file that `open` takes."""
        self._index.save(path)

    def nearest(
        self, queries: NDArray[np.float32], top: int, exact: bool = False
    ) -> list[tuple[Keys, NDArray[np.float32]]]:
        """Of each query the keys of the nearest vectors, best first, with cosine similarities.

        Args:
            queries: L2-normalized, of shape (n, dim).
            top: so many of each, or as many as there are.
            exact: compare with all.
        """
        top = min(top, len(self))
        if not top or not len(queries):
            return [(np.empty(0, np.uint64), np.empty(0, np.float32)) for _ in queries]
        exact = exact or len(self) <= EXACT
        one = len(queries) == 1
        searched: Any = self._index.search(queries[0] if one else queries, top, exact=exact)
        found = [searched] if one else searched
        return [(each.keys.astype(np.uint64), 1 - each.distances.astype(np.float32)) for each in found]
