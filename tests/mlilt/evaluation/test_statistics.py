"""Bootstrap intervals against SciPy's, a closed form, and by how often they hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlilt.evaluation import statistics
from mlilt.evaluation.statistics import bootstrap_interval, clusters


def mean(draws: np.ndarray) -> np.ndarray:
    return draws.mean(-1)


@pytest.mark.parametrize("name", ["mean", "median"])
def test_interval_agrees_with_scipys_percentile_bootstrap(name: str) -> None:
    values = np.random.default_rng(0).exponential(10, 150)
    statistic = getattr(np, name)
    found = bootstrap_interval(values, lambda d: statistic(d, axis=-1), resamples=20_000)
    expected = stats.bootstrap(
        (values,), statistic, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose(found, expected, atol=0.03 * (expected.high - expected.low) + 1e-9)


def test_interval_of_a_share_is_that_of_the_binomial_distribution() -> None:
    """The mean of resampled zeros and ones is a binomial variable over its count."""
    values = np.repeat([1, 0], [30, 70])
    found = bootstrap_interval(values, mean, level=0.9, resamples=20_000)
    np.testing.assert_allclose(found, stats.binom.ppf([0.05, 0.95], 100, 0.3) / 100, atol=0.011)


def test_intervals_hold_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for trial in range(400):
        low, high = bootstrap_interval(rng.normal(7, 2, 60), mean, resamples=400, seed=trial)
        inside += low <= 7 <= high
    # 95 % of 400, less the percentile bootstrap's small deficit at 60 values; five binomial deviations either way.
    assert 0.945 - 5 * 0.011 < inside / 400 < 0.945 + 5 * 0.011


def test_chunks_do_not_change_what_is_covered_and_a_seed_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).normal(size=100)
    whole = bootstrap_interval(values, mean, resamples=5000)
    assert bootstrap_interval(values, mean, resamples=5000) == whole
    assert bootstrap_interval(values, mean, resamples=5000, seed=1) != whole
    monkeypatch.setattr(statistics, "_CHUNK", 1700)
    np.testing.assert_allclose(bootstrap_interval(values, mean, resamples=5000), whole, atol=0.02)


def test_equal_values_have_an_interval_without_width() -> None:
    assert bootstrap_interval(np.full(20, 4), mean) == (4, 4)


def test_values_that_belong_together_are_drawn_together() -> None:
    rng = np.random.default_rng(3)
    once = rng.normal(size=80)
    names = [f"concept {n}" for n in range(80)]
    twice = clusters(np.concatenate([once, once]), [*names, *names])
    assert twice.shape == (80, 2)

    def nanmean(drawn: np.ndarray) -> np.ndarray:
        return np.nanmean(drawn, axis=-1)

    # Saying everything twice makes nothing surer.
    np.testing.assert_allclose(bootstrap_interval(twice, nanmean), bootstrap_interval(once, mean), atol=1e-12)


def test_clusters_of_different_sizes_are_filled_up_with_nan() -> None:
    found = clusters(np.array([1, 2, 3]), ["a", "b", "a"])
    np.testing.assert_array_equal(found, [[1, 3], [2, np.nan]])
