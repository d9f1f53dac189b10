"""Zero-shot classification against plain loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from mlilt.evaluation.zero_shot import accuracy, classify, ensemble


def test_ensemble_is_the_direction_of_the_mean_of_unit_prompts() -> None:
    prompts = np.random.default_rng(0).normal(size=(5, 3, 8)) * np.array([1, 10, 0.1])[:, None]
    found = ensemble(prompts)
    for of_class, vector in zip(prompts, found, strict=True):
        total = sum(p / np.sqrt((p * p).sum()) for p in of_class)
        np.testing.assert_allclose(vector, total / np.sqrt((total * total).sum()))


def test_pictures_are_of_the_nearest_class_and_accuracy_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    classes = normalize(rng.normal(size=(12, 6)))
    labels = rng.integers(12, size=200)
    image = normalize(classes[labels] + 0.5 * rng.normal(size=(200, 6)))
    nearest = KNeighborsClassifier(1, metric="cosine").fit(classes, np.arange(12)).predict(image)
    assert classify(image, classes).tolist() == nearest.tolist()
    for k in (1, 3, 5, 12, 20):
        found = accuracy(image, classes, labels, k)
        assert set(found.tolist()) <= {0.0, 1.0}
        expected = 1 if k >= 12 else top_k_accuracy_score(labels, image @ classes.T, k=k, labels=np.arange(12))
        assert found.mean() == pytest.approx(expected)
    np.testing.assert_array_equal(accuracy(image, classes, labels), nearest == labels)


def test_classes_of_one_name_are_both_missed() -> None:
    classes = np.array([[1.0, 0], [1, 0], [0, 1]])
    image = np.array([[1.0, 0], [1, 0], [0, 1]])
    assert accuracy(image, classes, np.arange(3)).tolist() == [0, 0, 1]
    assert accuracy(image, classes, np.arange(3), k=2).tolist() == [1, 1, 1]
    assert classify(image, classes).tolist() == [0, 0, 2]


def test_what_cannot_be_classified_is_an_error_that_says_why() -> None:
    image, classes = np.eye(2, 3), np.eye(3)
    for call, message in (
        (lambda: ensemble(np.zeros((2, 3))), r"shape \(2, 3\), expected \(classes, prompts, dim\)"),
        (lambda: ensemble(np.zeros((2, 0, 3))), "none of them zero"),
        (lambda: ensemble(np.array([[[1.0, 0], [-1, 0]]])), "cancel each other out"),
        (lambda: classify(image, np.eye(2)), r"shapes \(2, 3\) and \(2, 2\)"),
        (lambda: classify(image * np.nan, classes), "not a number"),
        (lambda: accuracy(image, classes, np.array([0])), "one for each of 2 pictures"),
        (lambda: accuracy(image, classes, np.array([0, 3])), "not within 0 to 2"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
