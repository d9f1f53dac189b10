"""Does a similarity over the temperature say how sure one can be? Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017: expected calibration error, reliability curve, and the temperature that fits best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlilt.evaluation.retrieval import ranks

BINS = 15
# Temperatures among which the best is looked for, far beyond what training allows.
COLDEST, HOTTEST = 1e-3, 1e2
_GOLDEN = (5**0.5 - 1) / 2

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """How well probabilities at one temperature fit.

    Attributes:
        temperature: that similarities were divided by.
        losses: negative log of the probability of the right answers together, in nats, shape (queries,).
        confidences: probability of the answer in the first place, shape (queries,).
        correct: whether it is right, bool, shape (queries,).
    """

    temperature: float
    losses: Values
    confidences: Values
    correct: NDArray[np.bool_]

    @property
    def nll(self) -> float:
        """Mean of the losses, nats."""
        return float(self.losses.mean())

    def reliability(self, bins: int = BINS) -> Reliability:
        """Confidence and accuracy in bins of equal width, each with its upper edge (Guo et al., section 2).

        Raises:
            ValueError: there is not one bin.
        """
        if bins < 1:
            raise ValueError(f"bins must be at least 1, are {bins}")
        edges = np.linspace(0, 1, bins + 1)
        place = np.searchsorted(edges[1:-1], self.confidences)
        counts = np.bincount(place, minlength=bins)
        sums = [np.bincount(place, weights=values, minlength=bins) for values in (self.confidences, self.correct)]
        with np.errstate(invalid="ignore"):
            return Reliability(edges, counts, sums[0] / counts, sums[1] / counts)


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """The curve of a reliability diagram; NaN where a bin is empty.

    Attributes:
        edges: of the bins, shape (bins + 1,).
        counts: queries in each, int, shape (bins,).
        confidence: their mean confidence, shape (bins,).
        accuracy: share of them that are right, shape (bins,).
    """

    edges: Values
    counts: NDArray[np.int64]
    confidence: Values
    accuracy: Values

    @property
    def error(self) -> float:
        """Expected calibration error, 0 to 1: mean distance of accuracy and confidence, weighted by counts."""
        return float(np.nansum(self.counts * np.abs(self.accuracy - self.confidence)) / self.counts.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """As the temperature is, and at the one of the lowest loss (temperature scaling).

    Attributes:
        given: at the temperature asked for.
        best: at the best one between `COLDEST` and `HOTTEST`: at an end where it lies beyond.
        bins: number of bins of the errors.
    """

    given: Fit
    best: Fit
    bins: int

    @property
    def error(self) -> float:
        """Expected calibration error at the given temperature, 0 to 1."""
        return self.given.reliability(self.bins).error

    @property
    def best_error(self) -> float:
        """The same at the best temperature."""
        return self.best.reliability(self.bins).error


def calibration(
    similarity: NDArray[np.floating[Any]],
    right: NDArray[np.bool_],
    temperature: float,
    bins: int = BINS,
    alike: NDArray[Any] | None = None,
) -> Calibration:
    """Calibration of the softmax over the pool of similarity / temperature.

    Probabilities exclude each other: where several members of the pool are right for a query they share what is one
    answer's, and the first place alone looks less sure than it is. Name those that are the same answer by `alike`,
    and their probabilities are added up before the first place is looked for. Of equally probable answers the wrong
    come first.

    Args:
        similarity: finite float of shape (queries, pool).
        right: bool of the same shape; every row holds at least one True.
        temperature: what the model divides similarities by.
        bins: of equal width, for the expected calibration error.
        alike: for each member of the pool the answer that it is, such as its concept, shape (pool,); None if each is
            its own.

    Raises:
        ValueError: shapes do not fit, a similarity is not finite, the temperature or bins are not positive, a query
            has no right answer, or of members that are alike one is right for a query and another is not.
    """
    if similarity.ndim != 2 or similarity.shape != right.shape or not similarity.size:
        raise ValueError(
            f"similarity and right have shapes {similarity.shape} and {right.shape}, expected both (queries, pool)"
        )
    if not np.isfinite(similarity).all():
        raise ValueError("a similarity is not finite: its probability is not known")
    if not temperature > 0 or bins < 1:
        raise ValueError(f"temperature and bins must be positive, are {temperature} and {bins}")
    if not right.any(axis=1).all():
        raise ValueError("a query has no right answer in the pool")
    scores = similarity.astype(np.float64)
    order = starts = np.arange(scores.shape[1])
    if alike is not None:
        if alike.shape != order.shape:
            raise ValueError(f"`alike` has shape {alike.shape}, expected one name for each of {len(order)} in the pool")
        order = np.argsort(alike, kind="stable")
        starts = np.unique(alike[order], return_index=True)[1]
    answers = np.logical_or.reduceat(right[:, order], starts, axis=1)
    if (answers != np.logical_and.reduceat(right[:, order], starts, axis=1)).any():
        raise ValueError("of two that are alike one is right for a query and the other is not")
    scores = scores[:, order]
    # Only differences matter; the best is 0, so that no exponential overflows.
    scores -= scores.max(axis=1, keepdims=True)
    wanted = right[:, order]

    def loss(log_temperature: float) -> float:
        return float(_losses(scores, wanted, np.exp(log_temperature)).mean())

    def fit(at: float) -> Fit:
        # In logarithms, for small probabilities: else they are zero and tie.
        mass = np.logaddexp.reduceat(scores / at, starts, axis=1)
        total = np.logaddexp.reduce(mass, axis=1)
        confidences = np.exp(mass.max(axis=1) - total)
        return Fit(at, _losses(scores, wanted, at), confidences, ranks(mass, answers) == 1)

    return Calibration(fit(temperature), fit(float(np.exp(_lowest(loss)))), bins)


def _losses(scores: Values, right: NDArray[np.bool_], temperature: float) -> Values:
    """Negative log-likelihoods of the right answers, for scores of at most 0."""
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    ours = best[:, 0] / temperature + np.log((np.exp((scores - best).clip(max=0) / temperature) * right).sum(axis=1))
    return np.asarray(np.log(np.exp(scores / temperature).sum(axis=1)) - ours)


def _lowest(loss: Callable[[float], float]) -> float:
    """Where a function of the log temperature is lowest: the best of a grid, then golden section around it."""
    grid = np.linspace(np.log(COLDEST), np.log(HOTTEST), 24)
    values = [loss(at) for at in grid.tolist()]
    lowest = int(np.argmin(values))
    low, high = float(grid[max(lowest - 1, 0)]), float(grid[min(lowest + 1, len(grid) - 1)])
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-5:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return (low + high) / 2
