"""Bootstrap intervals and tests against SciPy's, closed forms, a plain loop, and by how often they hold."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlilt.evaluation import statistics
from mlilt.evaluation.statistics import (
    Estimate,
    Sample,
    bootstrap_interval,
    difference,
    holm,
    median,
    numbered,
    ratio,
    verdict,
)


def test_names_are_numbered_alike_in_each_list() -> None:
    ours, theirs = numbered(["cat", "dog", "cat"], ["dog", "bird"])
    assert ours.tolist() == [0, 1, 0]
    assert theirs.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["mean", "median"])
def test_interval_agrees_with_scipys_percentile_bootstrap(name: Literal["mean", "median"]) -> None:
    values = np.random.default_rng(0).exponential(10, 150)
    found = bootstrap_interval(values, name, resamples=20_000)
    expected = stats.bootstrap(
        (values,), getattr(np, name), n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose(found, expected, atol=0.03 * (expected.high - expected.low) + 1e-9)


def test_interval_of_a_share_is_that_of_the_binomial_distribution() -> None:
    """The mean of resampled zeros and ones is a binomial variable over its count."""
    values = np.repeat([1, 0], [30, 70])
    found = bootstrap_interval(values, level=0.9, resamples=20_000)
    np.testing.assert_allclose(found, stats.binom.ppf([0.05, 0.95], 100, 0.3) / 100, atol=0.011)


def test_intervals_hold_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for trial in range(400):
        low, high = bootstrap_interval(rng.normal(7, 2, 60), resamples=400, seed=trial)
        inside += low <= 7 <= high
    # 95 % of 400, less the percentile bootstrap's small deficit at 60 values; five binomial deviations either way.
    assert 0.945 - 5 * 0.011 < inside / 400 < 0.945 + 5 * 0.011


def test_chunks_do_not_change_what_is_covered_and_a_seed_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).normal(size=100)
    whole = bootstrap_interval(values, resamples=5000)
    np.testing.assert_array_equal(bootstrap_interval(values, resamples=5000), whole)
    assert (bootstrap_interval(values, resamples=5000, seed=1) != whole).all()
    monkeypatch.setattr(statistics, "_CHUNK", 1700)
    np.testing.assert_allclose(bootstrap_interval(values, resamples=5000), whole, atol=0.02)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_equal_values_have_an_interval_without_width(statistic: Literal["mean", "median"]) -> None:
    assert bootstrap_interval(np.full(20, 4), statistic).tolist() == [4, 4]


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_intervals_are_those_of_drawing_clusters_one_by_one(statistic: Literal["mean", "median"]) -> None:
    rng = np.random.default_rng(3)
    names = rng.choice(["a", "b", "c", "d", "e", "f", "g"], 25).tolist()
    figures = rng.integers(0, 9, (3, 25)) / 4
    members = [[i for i, name in enumerate(names) if name == one] for one in dict.fromkeys(names)]
    draws = np.random.default_rng(11).integers(len(members), size=(500, len(members)))
    found = bootstrap_interval(figures, statistic, names, level=0.8, resamples=500, seed=11)
    for row, ends in zip(figures, found, strict=True):
        values = [getattr(np, statistic)([row[i] for cluster in draw for i in members[cluster]]) for draw in draws]
        np.testing.assert_allclose(ends, np.quantile(values, [0.1, 0.9]), atol=1e-12)
        one = bootstrap_interval(row, statistic, names, level=0.8, resamples=500, seed=11)
        np.testing.assert_array_equal(one, ends)


def test_values_that_belong_together_are_drawn_together() -> None:
    once = np.random.default_rng(3).normal(size=80)
    names = [f"concept {n}" for n in range(80)]
    # Saying everything twice makes nothing surer.
    twice = bootstrap_interval(np.concatenate([once, once]), clusters=[*names, *names])
    np.testing.assert_allclose(twice, bootstrap_interval(once), atol=1e-12)


def sample(values: np.ndarray, seeds: Sequence[int] | None = None, members: int = 1, first: int = 0) -> Sample:
    """A sample whose clusters have `members` items each, the last may have fewer; names count from `first`."""
    numbers = range(first, first + values.shape[1])
    return Sample(
        values,
        tuple(range(len(values)) if seeds is None else seeds),
        tuple(f"query {n}" for n in numbers),
        tuple(f"concept {n // members}" for n in numbers),
    )


def crossed(rng: np.random.Generator, seeds: int, items: int, *deviations: float) -> np.ndarray:
    """Random effects of seeds, items and both, of these standard deviations, shape (seeds, items)."""
    of_seeds, of_items, of_both = deviations
    return rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, of_items, items) + rng.normal(0, of_both, (seeds, items))


Figure = Callable[[list[float]], float]


def by_loop(
    samples: list[Sample], sides: list[str], figure: Figure, average: Callable[[list[float]], float], resamples: int
) -> list[float]:
    """The draws of a figure, made of the mean over seeds of an average over drawn items of each sample.

    What a seed moves is found by moving each mean a little towards it, not by a formula for each figure.
    """
    rng = np.random.default_rng(99)
    names = sorted({name for s in samples for name in s.clusters})

    def of_draw(drawn: list[str]) -> tuple[float, dict[tuple[str, int], float]]:
        averages = []
        for s in samples:
            items = [i for name in drawn for i, cluster in enumerate(s.clusters) if cluster == name]
            averages.append([average([float(row[i]) for i in items]) for row in s.values])
        means = [float(np.mean(each)) for each in averages]
        moves = {}
        for label in {(side, number) for s, side in zip(samples, sides, strict=True) for number in s.seeds}:
            towards = list(means)
            for place, (s, side) in enumerate(zip(samples, sides, strict=True)):
                n = len(s.seeds)
                if label[0] == side and label[1] in s.seeds and n > 1:
                    away = averages[place][s.seeds.index(label[1])] - means[place]
                    towards[place] += 1e-6 * away / np.sqrt(n * (n - 1))
            moves[label] = (figure(towards) - figure(means)) / 1e-6
        return figure(means), moves

    _, at_rest = of_draw(names)
    draws = [of_draw([names[i] for i in rng.integers(len(names), size=len(names) - 1)]) for _ in range(resamples)]
    explained = np.mean([sum((moves[one] - at_rest[one]) ** 2 for one in at_rest) for _, moves in draws])
    between = max(0.0, sum(move**2 for move in at_rest.values()) - explained)
    freedom = min((len(s.seeds) - 1 for s in samples if len(s.seeds) > 1), default=0)
    found = []
    for value, moves in draws:
        for one in at_rest:
            value += rng.choice([-1, 1]) * (moves[one] - at_rest[one])
        found.append(value + (np.sqrt(between) * rng.standard_t(freedom) if freedom else 0.0))
    return found


def test_figures_agree_with_a_plain_loop_over_uneven_clusters_that_two_strata_share_in_part() -> None:
    rng = np.random.default_rng(11)
    a, c = (sample(2 + crossed(rng, 3, 22, 0.3, 1, 1), members=3, first=first) for first in (0, 9))
    b, d = (Sample(s.values - 0.7 + 0.5 * rng.normal(size=(3, 22)), s.seeds, s.items, s.clusters) for s in (a, c))
    other = Sample(d.values, (7, 8, 9), d.items, d.clusters)
    average = np.mean
    for found, *reference in (
        (statistics.mean([a, c], resamples=20_000), [a, c], ["", ""], lambda m: (m[0] + m[1]) / 2, average),
        (median(a, resamples=20_000), [a], [""], lambda m: m[0], np.median),
        (
            difference([(a, b), (c, other)], null=0.5, resamples=20_000),
            [a, b, c, other],
            ["", "", "", "second"],
            lambda m: (m[0] - m[1] + m[2] - m[3]) / 2,
            average,
        ),
        (
            ratio([(a, b), (c, d)], null=1.3, resamples=20_000),
            [a, b, c, d],
            ["", "", "", ""],
            lambda m: (m[0] + m[2]) / (m[1] + m[3]),
            average,
        ),
    ):
        samples, sides, figure, of_items = reference
        assert found.value == pytest.approx(
            figure([np.mean([of_items(row) for row in s.values]) for s in samples]), rel=1e-12
        )
        draws = np.array(by_loop(samples, sides, figure, of_items, 1500))
        low, high = np.quantile(draws, [0.025, 0.975])
        np.testing.assert_allclose([found.low, found.high], [low, high], atol=0.1 * (high - low))
        if found.p is not None:
            null = 0.5 if len(set(sides)) == 2 else 1.3
            assert found.p == pytest.approx(2 * min((draws <= null).mean(), (draws >= null).mean()), abs=0.05)


def test_one_seed_has_the_interval_of_its_items_alone() -> None:
    values = np.random.default_rng(0).exponential(10, 150)
    # A median has few values to be: its ends may be off by one of them.
    for found, statistic, slack in ((statistics.mean, np.mean, 0.03), (median, np.median, 0.1)):
        estimate = found(sample(values[None]), resamples=20_000)
        expected = stats.bootstrap(
            (values,), statistic, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        assert estimate.value == pytest.approx(statistic(values))
        width = expected.high - expected.low
        np.testing.assert_allclose([estimate.low, estimate.high], expected, atol=slack * width)


def test_where_only_seeds_vary_the_interval_is_students() -> None:
    of_seeds = np.array([0.52, 0.47, 0.55])
    found = statistics.mean(sample(np.repeat(of_seeds[:, None], 40, axis=1)), level=0.9, resamples=100_000)
    expected = stats.t.interval(0.9, 2, of_seeds.mean(), of_seeds.std(ddof=1) / np.sqrt(3))
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.002)


def test_where_seeds_differ_in_items_only_the_variance_is_owens_for_columns_and_interaction() -> None:
    """Of values a + b + e with sums of zero, those of drawn columns and cells are sum b²/m² and sum e²/(n m)².

    Both unbiased here: b² over m (m - 1), and e² over n (n - 1) m (m - 1), of the pigeonhole bootstrap's variance.
    """
    n, m = 3, 400
    rng = np.random.default_rng(4)
    b = rng.normal(0, 1, m)
    e = rng.normal(0, 2, (n, m))
    b -= b.mean()
    e -= e.mean(axis=0) + e.mean(axis=1, keepdims=True) - e.mean()
    found = statistics.mean(sample(5 + b + e), resamples=100_000)
    variance = (b**2).sum() / (m * (m - 1)) + (e**2).sum() / (n * (n - 1) * m * (m - 1))
    expected = stats.norm.interval(0.95, 5, np.sqrt(variance))
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.02 * (expected[1] - expected[0]))


def test_saying_everything_twice_makes_nothing_surer_but_asking_of_other_concepts_and_seeds_does() -> None:
    values = crossed(np.random.default_rng(3), 3, 60, 0, 1, 1)
    once = statistics.mean(sample(values))
    for twice in (
        statistics.mean(sample(np.repeat(values, 2, axis=1), members=2)),
        statistics.mean([sample(values), sample(values)]),
    ):
        np.testing.assert_allclose([twice.value, twice.low, twice.high], [once.value, once.low, once.high], atol=1e-12)
    other = statistics.mean([sample(values), sample(values, seeds=(3, 4, 5), first=60)])
    assert (other.high - other.low) / (once.high - once.low) == pytest.approx(np.sqrt(1 / 2), rel=0.08)


@pytest.mark.parametrize("deviations", [(0, 1, 0.5), (0.1, 0.3, 1), (0.3, 1, 0.5), (1, 0.3, 0.3)])
def test_intervals_over_three_seeds_hold_at_least_as_often_as_they_say(deviations: tuple[float, ...]) -> None:
    rng = np.random.default_rng(21)
    inside = 0
    for trial in range(300):
        found = statistics.mean(sample(crossed(rng, 3, 50, *deviations)), resamples=500, seed=trial)
        inside += found.low <= 0 <= found.high
    # Three binomial deviations below 95 %; drawing seeds as they are holds in three quarters of the last case.
    assert inside / 300 >= 0.95 - 3 * 0.0126


def test_two_equal_methods_are_told_apart_no_more_often_than_alpha_and_unequal_ones_are() -> None:
    rng = np.random.default_rng(22)
    decided = {0.0: 0, 1.0: 0}
    for shift in decided:
        for trial in range(150):
            hard = rng.normal(0, 1.5, 80)
            a, b = (
                sample(rng.random((3, 80)) < 1 / (1 + np.exp(-hard - more - crossed(rng, 3, 80, 0.05, 0.5, 0))))
                for more in (shift, 0.0)
            )
            found = difference([(a, b)], resamples=500, seed=trial)
            assert found.p is not None
            decided[shift] += found.p < 0.05 and found.value > 0
    assert decided[0.0] <= 150 * (0.025 + 3 * 0.0128)
    assert decided[1.0] >= 100


def test_pairs_are_matched_by_item_and_seed_in_any_order() -> None:
    values = crossed(np.random.default_rng(5), 3, 40, 0.3, 1, 0.5)
    a, b = sample(values, members=2), sample(values - 0.25, members=2)
    turned = Sample(b.values[::-1, ::-1], b.seeds[::-1], b.items[::-1], b.clusters[::-1])
    found = difference([(a, turned)])
    np.testing.assert_allclose([found.value, found.low, found.high], 0.25, atol=1e-12)
    # What the same seeds do to both alike is no longer known to be alike of other seeds.
    apart = difference([(a, Sample(b.values, (5, 6, 7), b.items, b.clusters))])
    assert apart.value == pytest.approx(0.25)
    assert apart.high - apart.low > 0.5
    assert ratio([(Sample(3 * a.values, a.seeds, a.items, a.clusters), a)]).low == pytest.approx(3)


def test_p_is_below_alpha_just_where_the_interval_leaves_the_null_out_and_never_zero() -> None:
    values = crossed(np.random.default_rng(6), 3, 40, 0.1, 1, 0.5)
    pair = [(sample(values), sample(np.zeros((3, 40))))]
    one = difference(pair)
    width = one.high - one.low
    for null in (one.low - 0.02 * width, one.low + 0.02 * width, one.high - 0.02 * width, one.high + 0.02 * width):
        p = difference(pair, null=null).p
        assert p is not None
        assert (p < 0.05) == (not one.low <= null <= one.high)
    assert difference(pair, null=100).p == 2 / 2001
    assert difference([(pair[0][0], pair[0][0])]) == Estimate(0, 0, 0, 1)


def test_a_ratio_over_zero_is_unknown_and_decides_nothing() -> None:
    a, zero = sample(np.ones((2, 10))), sample(np.zeros((2, 10)))
    found = ratio([(a, zero)])
    assert np.isnan([found.value, found.low, found.high]).all()
    assert found.p == 1
    assert verdict(found, 1) == "undecided"
    # One hit of ten is drawn not at all in more than a third of the draws.
    rare = ratio([(a, sample(np.eye(1, 10).repeat(2, axis=0)))], null=3)
    assert (rare.value, rare.high) == (10, np.inf)
    assert rare.p is not None
    assert rare.p > 0.7


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holms_adjustment_is_the_closed_test_of_bonferronis(ps: list[float]) -> None:
    """A hypothesis is rejected where every set of hypotheses that holds it is: Marcus, Peritz & Gabriel, 1976."""
    subsets = [s for size in range(1, len(ps) + 1) for s in itertools.combinations(range(len(ps)), size)]
    expected = [max(min(1, len(s) * min(ps[j] for j in s)) for s in subsets if i in s) for i in range(len(ps))]
    assert holm(ps) == pytest.approx(expected)


def test_holm_of_nothing_is_nothing_and_of_what_is_no_p_an_error() -> None:
    assert holm([]) == []
    for wrong in (1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match="within 0 to 1"):
            holm([0.5, wrong])


def test_a_claim_is_decided_by_the_adjusted_p_and_the_side_of_the_value() -> None:
    above, below = Estimate(0.9, 0.8, 1, 0.03), Estimate(0.7, 0.6, 0.8, 0.03)
    assert [verdict(e, 0.8) for e in (above, below)] == ["holds", "does not hold"]
    assert [verdict(e, 0.8, p=0.06) for e in (above, below)] == ["undecided", "undecided"]
    assert verdict(Estimate(0.9, 0.8, 1, 0.05), 0.8) == "undecided"
    assert verdict(Estimate(0.9, 0.8, 1, 0.05), 0.8, alpha=0.1) == "holds"
    with pytest.raises(ValueError, match="take `difference` or `ratio`"):
        verdict(Estimate(0.9, 0.8, 1), 0.8)


def test_samples_that_cannot_be_are_errors_that_say_why() -> None:
    names = ("a", "b")
    for values, seeds, items, of, message in (
        (np.zeros((2, 3)), (0, 1), names, names, r"shape \(2, 3\), expected \(2, 2\)"),
        (np.zeros((1, 2)), (0,), names, ("a",), "2 items of 1 named clusters"),
        (np.zeros((0, 2)), (), names, names, "at least one seed and one item"),
        (np.zeros((1, 2)), (0,), ("a", "a"), names, "once only"),
        (np.zeros((2, 2)), (1, 1), names, names, "once only"),
        (np.array([[0, np.nan]]), (0,), names, names, "must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            Sample(values, seeds, items, of)


def test_what_cannot_be_estimated_is_an_error_that_says_why() -> None:
    a = sample(np.zeros((1, 4)))
    for call, message in (
        (lambda: statistics.mean([]), "no sample"),
        (lambda: difference([]), "no sample"),
        (lambda: ratio([]), "no sample"),
        (lambda: statistics.mean(sample(np.zeros((3, 4)), members=4)), "all items are of one cluster, 'concept 0'"),
        (lambda: difference([(a, sample(np.zeros((1, 5))))]), "the same items: 1 are in one .*'query 4'"),
        (lambda: ratio([(a, sample(np.zeros((1, 4)), members=3))]), "'query 1' is of 'concept 1' and of 'concept 0'"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
