"""k-NN accuracy against scikit-learn's classifier, fitted without each group in turn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from mlilt.evaluation import neighbours
from mlilt.evaluation.neighbours import accuracy


def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of 60 concepts in three categories, two or three pictures each."""
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(60), rng.integers(2, 4, size=60)))
    category = np.arange(60) % 3
    centres, things = rng.normal(size=(3, 8)), rng.normal(size=(60, 8))
    features = centres[category][group] + 1.5 * things[group] + 0.3 * rng.normal(size=(len(group), 8))
    return features, np.array(["animal", "food", "flag"])[category][group], group


@pytest.mark.parametrize(("k", "temperature"), [(1, None), (1, 0.07), (10, 0.07), (20, 0.3), (1000, 0.07)])
def test_accuracy_without_the_own_group_is_scikit_learns(
    k: int, temperature: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_ROWS", 50)
    features, labels, groups = pictures()
    found = accuracy(features, labels, groups, k, temperature)
    for group in np.unique(groups):
        own = groups == group
        classifier = KNeighborsClassifier(
            min(k, int((~own).sum())),
            metric="cosine",
            weights=lambda away: np.exp((1 - away) / temperature) if temperature else np.ones_like(away),
        )
        predicted = classifier.fit(features[~own], labels[~own]).predict(features[own])
        np.testing.assert_array_equal(found[own], predicted == labels[own])
    assert 0.4 < found.mean() < 1


def test_majority_is_scikit_learns_where_votes_cannot_tie() -> None:
    features, labels, groups = pictures()
    animal = labels == "animal"
    found = accuracy(features, animal, groups, 7, None)
    for group in np.unique(groups):
        own = groups == group
        classifier = KNeighborsClassifier(7, metric="cosine").fit(features[~own], animal[~own])
        np.testing.assert_array_equal(found[own], classifier.predict(features[own]) == animal[own])


def test_another_picture_of_the_same_thing_does_not_answer_and_ties_are_lost() -> None:
    features = np.array([[1, 0], [1, 0], [0.9, 0.1], [0.9, 0.1]])
    assert accuracy(features, np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 1).tolist() == [0, 0, 0, 0]
    assert accuracy(features, np.array([0, 0, 1, 1]), np.arange(4), 1).tolist() == [1, 1, 1, 1]
    # One vote each; and one point for everything.
    assert accuracy(features[:3], np.array([0, 0, 1]), np.arange(3), 2, None).tolist() == [0, 0, 0]
    assert accuracy(np.ones((6, 2)), np.array([0, 1] * 3), np.arange(6), 3).tolist() == [0] * 6


def test_what_has_no_neighbours_is_an_error_that_says_why() -> None:
    features, labels, groups = np.eye(3), np.array([0, 1, 0]), np.arange(3)
    for call, message in (
        (lambda: accuracy(features, labels[:2], groups), r"shapes \(3, 3\), \(2,\) and \(3,\)"),
        (lambda: accuracy(features, labels, groups, 0), "must be positive, are 0 and 0.07"),
        (lambda: accuracy(features, labels, groups, 1, 0.0), "must be positive, are 1 and 0.0"),
        (lambda: accuracy(features * [[1], [0], [1]], labels, groups), "zero or not finite"),
        (lambda: accuracy(features, labels, np.zeros(3)), "all pictures are of one group"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
