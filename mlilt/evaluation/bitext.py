"""Bitext retrieval: does a text find its translation by its vector?

The measure of the Tatoeba task of XTREME (Hu et al., ICML 2020), after LASER (Artetxe & Schwenk, TACL 2019): share of
texts whose nearest neighbour in the other language, by cosine, is the translation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlilt.evaluation.retrieval import ranks


def accuracy(
    a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]], right: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each text 1 if the nearest of the other language translates it, else 0: from a to b, and from b to a.

    Of equally near ones the wrong come first. Where two things have one name in a language, mark the translations of
    both as right, or neither can be found but by chance.

    Args:
        a, b: L2-normalized, shape (texts of either language, dim).
        right: bool of shape (texts of a, texts of b), what translates what; None if the i-th translates the i-th alone.

    Returns:
        Shapes (texts of a,) and (texts of b,).

    Raises:
        ValueError: shapes do not fit, or a text has no translation.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"texts have shapes {a.shape} and {b.shape}, expected (texts, dim) of the same dim")
    if right is None:
        if len(a) != len(b):
            raise ValueError(f"{len(a)} and {len(b)} texts do not translate each other one by one: give `right`")
        right = np.eye(len(a), dtype=bool)
    if right.shape != (len(a), len(b)):
        raise ValueError(f"`right` has shape {right.shape}, expected {(len(a), len(b))}")
    similarity = a @ b.T
    forward, backward = ranks(similarity, right) == 1, ranks(similarity.T, right.T) == 1
    return forward.astype(np.float64), backward.astype(np.float64)
