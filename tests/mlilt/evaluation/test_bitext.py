"""Bitext retrieval against scikit-learn's nearest neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from mlilt.evaluation.bitext import accuracy


def test_texts_find_their_translations_both_ways_as_scikit_learns_nearest_neighbours_do() -> None:
    rng = np.random.default_rng(0)
    a = normalize(rng.normal(size=(80, 8)))
    b = normalize(a + 0.4 * rng.normal(size=(80, 8)))
    for found, asked, pool in zip(accuracy(a, b), (a, b), (b, a), strict=True):
        nearest = NearestNeighbors(n_neighbors=1, metric="cosine").fit(pool).kneighbors(asked, return_distance=False)
        np.testing.assert_array_equal(found, nearest[:, 0] == np.arange(80))
        assert 0 < found.mean() < 1


def test_of_things_with_one_name_each_counts_if_it_is_marked_and_else_neither_is_found() -> None:
    """Two concepts have the same vector in the second language, and one of the third has none of its own."""
    a = normalize(np.array([[1.0, 0.1], [1.0, -0.1], [0, 1]]))
    b = np.array([[1.0, 0], [1, 0], [0, 1]])
    assert [found.tolist() for found in accuracy(a, b)] == [[0, 0, 1], [0, 0, 1]]
    right = np.array([[True, True, False], [True, True, False], [False, False, True]])
    assert [found.tolist() for found in accuracy(a, b, right)] == [[1, 1, 1], [1, 1, 1]]


def test_a_side_may_have_more_texts_and_what_does_not_fit_is_an_error_that_says_why() -> None:
    a, b = np.eye(2, 3), np.eye(3)
    right = np.array([[True, False, False], [False, True, True]])
    assert [found.tolist() for found in accuracy(a, b, right)] == [[1, 1], [1, 1, 0]]
    for call, message in (
        (lambda: accuracy(a, b), "2 and 3 texts do not translate each other one by one"),
        (lambda: accuracy(a, np.eye(2)), r"shapes \(2, 3\) and \(2, 2\)"),
        (lambda: accuracy(a, b, right.T), r"shape \(3, 2\), expected \(2, 3\)"),
        (lambda: accuracy(a, b, right & (np.arange(3) < 2)), "no right answer"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
