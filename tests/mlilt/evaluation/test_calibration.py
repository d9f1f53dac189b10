"""Calibration against plain loops, scikit-learn's curve and SciPy's minimiser."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, special
from sklearn.calibration import calibration_curve

from mlilt.evaluation.calibration import COLDEST, calibration


def asked(queries: int, concepts: int, pictures: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosine-like similarities that favour the right concept, what is right, and the concept of each picture."""
    rng = np.random.default_rng(queries + pictures)
    of_pictures = rng.permutation(np.repeat(np.arange(concepts), pictures))
    right = (np.arange(queries) % concepts)[:, None] == of_pictures
    return 0.1 * rng.normal(size=right.shape) + 0.2 * right, right, of_pictures


def by_loop(
    similarity: np.ndarray, right: np.ndarray, names: np.ndarray, temperature: float
) -> tuple[list[float], list[float], list[bool]]:
    """Loss, confidence and whether the first answer is right, of each query."""
    losses, confidences, correct = [], [], []
    for scores, fits in zip(similarity.tolist(), right.tolist(), strict=True):
        total = sum(math.exp(s / temperature) for s in scores)
        of_answers: dict[int, float] = {}
        for s, name in zip(scores, names.tolist(), strict=True):
            of_answers[name] = of_answers.get(name, 0.0) + math.exp(s / temperature) / total
        losses.append(-math.log(sum(math.exp(s / temperature) / total for s, f in zip(scores, fits, strict=True) if f)))
        first = max(of_answers, key=of_answers.__getitem__)
        confidences.append(of_answers[first])
        correct.append(any(f for f, name in zip(fits, names.tolist(), strict=True) if name == first))
    return losses, confidences, correct


@pytest.mark.parametrize("grouped", [False, True])
def test_losses_confidences_and_error_are_those_of_a_plain_loop(grouped: bool) -> None:
    similarity, right, concepts = asked(120, 40, 3)
    found = calibration(similarity, right, 0.05, bins=10, alike=concepts if grouped else None)
    names = concepts if grouped else np.arange(len(concepts))
    losses, confidences, correct = by_loop(similarity, right, names, 0.05)
    np.testing.assert_allclose(found.given.losses, losses, rtol=1e-10)
    np.testing.assert_allclose(found.given.confidences, confidences, rtol=1e-10)
    assert found.given.correct.tolist() == correct
    assert found.given.nll == pytest.approx(np.mean(losses))
    error = 0.0
    for i in range(10):
        inside = [n for n, c in enumerate(confidences) if i / 10 < c <= (i + 1) / 10]
        error += abs(sum(confidences[n] for n in inside) - sum(correct[n] for n in inside)) / len(losses)
    assert found.error == pytest.approx(error)


def test_reliability_curve_is_scikit_learns() -> None:
    similarity, right, _ = asked(400, 40, 1)
    found = calibration(similarity, right, 0.08)
    curve = found.given.reliability(12)
    accuracy, confidence = calibration_curve(found.given.correct, found.given.confidences, n_bins=12)
    filled = curve.counts > 0
    assert curve.counts.sum() == 400
    assert np.isnan(curve.accuracy[~filled]).all()
    np.testing.assert_allclose(curve.accuracy[filled], accuracy)
    np.testing.assert_allclose(curve.confidence[filled], confidence)
    assert curve.edges.tolist() == pytest.approx([i / 12 for i in range(13)])


@pytest.mark.parametrize("pictures", [1, 3])
def test_best_temperature_is_that_of_scipys_minimiser(pictures: int) -> None:
    similarity, right, concepts = asked(200, 40, pictures)

    def loss(log_temperature: float) -> float:
        scaled = similarity / np.exp(log_temperature)
        ours = special.logsumexp(scaled, axis=1, b=right)
        return float((special.logsumexp(scaled, axis=1) - ours).mean())

    expected = optimize.minimize_scalar(loss, bounds=(-6, 2), method="bounded", options={"xatol": 1e-9})
    found = calibration(similarity, right, 0.5, alike=concepts)
    assert found.best.temperature == pytest.approx(np.exp(expected.x), rel=1e-4)
    assert found.best.nll == pytest.approx(expected.fun, rel=1e-9)
    assert found.best_error < found.error


def test_probabilities_that_are_true_have_no_error_and_their_temperature_is_found() -> None:
    """Right answers drawn from the softmax itself."""
    rng = np.random.default_rng(2)
    similarity = rng.normal(size=(20_000, 6)) * 0.3
    chances = special.softmax(similarity / 0.2, axis=1)
    drawn = (rng.random((20_000, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(max=5)
    found = calibration(similarity, drawn[:, None] == np.arange(6), 0.2)
    assert found.error < 0.015
    assert found.best.temperature == pytest.approx(0.2, rel=0.03)


def test_pictures_of_one_answer_share_its_probability_and_are_added_up() -> None:
    similarity = np.array([[0.5, 0.5, 0.5, 0.0]])
    right = np.array([[True, True, True, False]])
    alone = calibration(similarity, right, 0.05).given
    together = calibration(similarity, right, 0.05, alike=np.array(["dog", "dog", "dog", "cat"])).given
    assert alone.confidences == pytest.approx([1 / 3], rel=1e-3)
    assert together.confidences == pytest.approx([1], rel=1e-3)
    assert together.nll == alone.nll < 1e-4


def test_one_point_for_everything_is_wrong_and_a_perfect_order_wants_the_coldest_temperature() -> None:
    flat = calibration(np.zeros((4, 4)), np.eye(4, dtype=bool), 0.07)
    assert (flat.given.correct.any(), flat.error, flat.given.nll) == (False, 0.25, pytest.approx(math.log(4)))
    perfect = calibration(np.eye(4) * 0.01, np.eye(4, dtype=bool), 0.07)
    assert perfect.best.temperature == pytest.approx(COLDEST, rel=1e-4)
    # No overflow, nor log of zero.
    assert calibration(np.eye(2), ~np.eye(2, dtype=bool), 1e-5).given.nll == pytest.approx(1e5)


def test_what_has_no_calibration_is_an_error_that_says_why() -> None:
    scores, right = np.zeros((2, 2)), np.eye(2, dtype=bool)
    for call, message in (
        (lambda: calibration(scores, right[:, :1], 1), r"shapes \(2, 2\) and \(2, 1\)"),
        (lambda: calibration(scores + np.nan, right, 1), "not finite"),
        (lambda: calibration(scores, right, 0), "must be positive, are 0 and 15"),
        (lambda: calibration(scores, right, 1, bins=0), "must be positive, are 1 and 0"),
        (lambda: calibration(scores, np.array([[True, True], [False, False]]), 1), "no right answer in the pool"),
        (lambda: calibration(scores, right, 1, alike=np.array(["a"])), "one name for each of 2"),
        (lambda: calibration(scores, right, 1, alike=np.array(["a", "a"])), "one is right for a query"),
        (lambda: calibration(scores, right, 1).given.reliability(0), "at least 1, are 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
