"""Intervals and tests by the bootstrap: Efron, "Bootstrap Methods: Another Look at the Jackknife", Ann. Statist. 1979.

What is measured of several seeds on the same items varies with both. `mean`, `median`, `difference` and `ratio` draw
clusters of items and seeds by themselves and cross them: the pigeonhole bootstrap (Owen, Annals of Applied Statistics
1(2), 2007, pages 386-411), with two changes that a handful of seeds needs. Drawn with replacement, n things vary by
(n - 1) / n too little, and an interval over three seeds never reaches past the lowest and the highest of them, which
hold their mean between them in 75 % of cases only. So

- one cluster fewer is drawn than there are, which makes their variance unbiased (McCarthy & Snowden, "The bootstrap
  and finite population sampling", 1985);
- what seeds add by themselves is not drawn from them but from Student's t with n - 1 degrees of freedom, as wide as
  the variance between seeds that the drawing of items does not explain.

What seeds change item by item is part of every draw, with random signs in place of drawn seeds. As in the pigeonhole
bootstrap it is counted twice, which makes intervals too wide rather than too narrow.

Simulated (30 to 150 clusters; seeds, clusters and their interaction normal, mixed from no effect of seeds to almost
nothing else), intervals of 95 % held the truth in 94 to 99.6 % of cases for three and five seeds, the most where the
interaction is nearly all; for two seeds in 91 % at the worst. One seed tells nothing of how seeds vary: then intervals
are for that seed, over items alone.

Clusters of one name are drawn together wherever they occur, and so are seeds of one number: a concept may be hard in
all languages, and one run may be asked in many. Where they have nothing in common that is no less right, if less sure:
a few seeds are then not counted as more by the many languages that each was trained for.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_CHUNK = 2_000_000

Values = NDArray[np.float64]
Verdict = Literal["holds", "does not hold", "undecided"]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One measured value for each seed and item.

    Attributes:
        values: finite, shape (seeds, items); made float64.
        seeds: of the runs that were measured, each once.
        items: unique names of what was asked, such as queries or pictures; two samples are paired by them.
        clusters: for each item the name of what it belongs to, such as its concept; its items are drawn together.

    Raises:
        ValueError: shapes do not fit, a name or a seed is there twice, nothing is there, or a value is not finite.
    """

    values: Values
    seeds: tuple[int, ...]
    items: tuple[str, ...]
    clusters: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", np.asarray(self.values, dtype=np.float64))
        expected = (len(self.seeds), len(self.items))
        if self.values.shape != expected or len(self.clusters) != len(self.items):
            raise ValueError(
                f"values have shape {self.values.shape}, expected {expected} for {len(self.seeds)} seeds and "
                f"{len(self.items)} items of {len(self.clusters)} named clusters"
            )
        if not self.values.size:
            raise ValueError("a sample needs at least one seed and one item")
        if len(set(self.items)) != len(self.items) or len(set(self.seeds)) != len(self.seeds):
            raise ValueError("each item and each seed may be in a sample once only")
        if not np.isfinite(self.values).all():
            raise ValueError("a sample's values must be finite")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval and, where it was tested, the two-sided p against the null value."""

    value: float
    low: float
    high: float
    p: float | None = None


def numbered(*names: Sequence[Hashable]) -> list[NDArray[np.intp]]:
    """Names as numbers, in order of first appearance and the same in each of the lists."""
    found: dict[Hashable, int] = {}
    return [np.array([found.setdefault(name, len(found)) for name in each], dtype=np.intp) for each in names]


def bootstrap_interval(
    values: NDArray[Any],
    statistic: Literal["mean", "median"] = "mean",
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Values:
    """Percentile interval of a statistic over queries.

    Args:
        values: one value a query, shape (queries,), or several figures of the same queries, shape (figures, queries):
            then all are of the same draws.
        statistic: of the queries.
        clusters: what each query belongs to, and is drawn together with: pictures of one concept are not independent.
            None if each is by itself.
        level: share of resamples that the interval covers.
        resamples: how often clusters are drawn with replacement, as many as there are.
        seed: of the draws.

    Returns:
        Lower and upper end, shape (2,) or (figures, 2).
    """
    figures = np.atleast_2d(np.asarray(values, dtype=np.float64))
    [where] = numbered(range(figures.shape[1]) if clusters is None else clusters)
    count = 1 + int(where.max())
    sums = np.stack([np.bincount(where, weights, count) for weights in (*figures, np.ones(len(where)))], axis=1)
    drawn = []
    for weights in _weights(count, count, resamples, np.random.default_rng(seed)):
        if statistic == "median":
            drawn.append(np.stack([_medians(weights, row, where) for row in figures], axis=1))
        else:
            totals = weights @ sums
            drawn.append(totals[:, :-1] / totals[:, -1:])
    ends = np.quantile(np.concatenate(drawn), [(1 - level) / 2, (1 + level) / 2], axis=0).T
    return np.asarray(ends if np.ndim(values) == 2 else ends[0], dtype=np.float64)


def mean(
    samples: Sample | Sequence[Sample], level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Mean over items and seeds, of each sample by itself and of those, as over languages.

    Args:
        samples: one or more, which count alike.
        level: share of cases in which the interval is to hold the truth.
        resamples: how often clusters and seeds are drawn.
        seed: of the draws.

    Raises:
        ValueError: there is no sample, or all items are of one cluster.
    """
    listed = [samples] if isinstance(samples, Sample) else list(samples)
    random = np.random.default_rng(seed)
    parts = _Parts()
    for sample, drawn in zip(listed, _means(listed, resamples, random), strict=True):
        parts.add(1 / len(listed), drawn, sample.seeds)
    return parts.estimate(parts.total(), level, None, random)


def median(sample: Sample, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Median over items of each seed, and of those the mean; arguments and errors as `mean`."""
    random = np.random.default_rng(seed)
    (where,), count = _numbered([sample])
    weights = [np.ones((1, count)), *_weights(count, count - 1, resamples, random)]
    # The same draws for each seed.
    columns = [np.concatenate([_medians(some, values, where) for some in weights]) for values in sample.values]
    parts = _Parts()
    parts.add(1.0, np.stack(columns, axis=1), sample.seeds)
    return parts.estimate(parts.total(), level, None, random)


def difference(
    pairs: Sequence[tuple[Sample, Sample]],
    null: float = 0.0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Mean of the first minus mean of the second, paired by item, and by seed where both have the same seeds.

    Args:
        pairs: two samples of the same items, in any order; the mean is over pairs, which count alike.
        null: the value to test against. Its p is the smallest 1 - level at which the interval leaves the null out, with
            one more draw counted beyond it (Phipson & Smyth, "Permutation P-values should never be zero", 2010): it is
            at least 2 / (resamples + 1), which bounds how many tests `holm` can decide.
        level, resamples, seed: as for `mean`.

    Raises:
        ValueError: there is no pair, the items or clusters of the two differ, or all items are of one cluster.
    """
    random = np.random.default_rng(seed)
    parts = _Parts()
    for a, b, ours, theirs, side in _paired(pairs, resamples, random):
        parts.add(1 / len(pairs), ours, a.seeds)
        parts.add(-1 / len(pairs), theirs, b.seeds, side)
    return parts.estimate(parts.total(), level, null, random)


def ratio(
    pairs: Sequence[tuple[Sample, Sample]],
    null: float = 1.0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Mean of the first over pairs, over the mean of the second; for values of at least zero.

    Arguments and errors as for `difference`. Where the second mean is zero the value and its interval are NaN and p is
    1. A draw in which it is zero counts as below and as above all others: many of them leave an end at infinity.
    """
    random = np.random.default_rng(seed)
    paired = _paired(pairs, resamples, random)
    above = np.mean([ours.mean(axis=1) for _, _, ours, _, _ in paired], axis=0)
    below = np.mean([theirs.mean(axis=1) for _, _, _, theirs, _ in paired], axis=0)
    below[below == 0] = np.nan
    quotient = above / below
    parts = _Parts()
    for a, b, ours, theirs, side in paired:
        # What a seed moves the quotient by is what it moves both means by, to first order.
        parts.add(1 / (len(pairs) * below), ours, a.seeds)
        parts.add(-quotient / (len(pairs) * below), theirs, b.seeds, side)
    return parts.estimate(quotient, level, null, random)


def holm(ps: Sequence[float]) -> list[float]:
    """P-values adjusted for being several: Holm, "A simple sequentially rejective multiple test procedure", 1979.

    Raises:
        ValueError: one is not within 0 to 1.
    """
    given = np.asarray(ps, dtype=np.float64)
    if not ((given >= 0) & (given <= 1)).all():
        raise ValueError("p-values must be within 0 to 1")
    order = np.argsort(given, kind="stable")
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)))
    return [float(p) for p in adjusted]


def verdict(estimate: Estimate, null: float, p: float | None = None, alpha: float = 0.05) -> Verdict:
    """Whether the claim holds that a quantity exceeds `null`: decided only if p is below alpha, by the value's side.

    Args:
        estimate: of the quantity.
        null: what it was tested against.
        p: adjusted for many comparisons; the estimate's own if None.
        alpha: the accepted chance to decide where nothing is so.

    Raises:
        ValueError: there is no p.
    """
    found = estimate.p if p is None else p
    if found is None:
        raise ValueError("the estimate was not tested: take `difference` or `ratio`, or give p")
    if found >= alpha or np.isnan(estimate.value) or estimate.value == null:
        return "undecided"
    return "holds" if estimate.value > null else "does not hold"


class _Parts:
    """Sums of means over seeds, and what each seed moves them by. Row 0 is as measured, the others as drawn."""

    def __init__(self) -> None:
        self._means: list[Values] = []
        self._moves: dict[tuple[str, int], Values] = {}
        self._seeds: list[int] = []

    def add(self, weight: float | Values, drawn: Values, seeds: Sequence[int], side: str = "") -> None:
        """Adds one, of shape (1 + resamples, seeds). Seeds of one number and side move all their parts together."""
        n = len(seeds)
        average = drawn.mean(axis=1)
        self._means.append(weight * average)
        self._seeds.append(n)
        for column, number in enumerate(seeds):
            # Scaled so that the sum of squares is an unbiased variance of the mean; a single seed moves nothing.
            move = weight * (drawn[:, column] - average) / np.sqrt(n * max(n - 1, 1))
            self._moves[side, number] = self._moves.get((side, number), 0.0) + move

    def total(self) -> Values:
        """The sum, shape (1 + resamples,)."""
        return np.asarray(np.sum(self._means, axis=0), dtype=np.float64)

    def estimate(self, value: Values, level: float, null: float | None, random: np.random.Generator) -> Estimate:
        """Of a value as measured and as drawn: shape (1 + resamples,), NaN where it is unknown."""
        if np.isnan(value[0]):
            return Estimate(float("nan"), float("nan"), float("nan"), 1.0 if null is not None else None)
        moves = np.stack(list(self._moves.values()), axis=1)
        # What drawn items change in each seed by itself: the interaction of seeds and items.
        changes = moves[1:] - moves[0]
        draws = value[1:] + (changes * random.choice([-1.0, 1.0], changes.shape)).sum(axis=1)
        freedom = min((n - 1 for n in self._seeds if n > 1), default=0)
        if freedom:
            between = (moves[0] ** 2).sum() - np.nanmean((changes**2).sum(axis=1))
            draws += np.sqrt(max(between, 0.0)) * random.standard_t(freedom, len(draws))
        unknown = np.isnan(draws)
        low = np.quantile(np.where(unknown, -np.inf, draws), (1 - level) / 2, method="lower")
        high = np.quantile(np.where(unknown, np.inf, draws), (1 + level) / 2, method="higher")
        p = None
        if null is not None:
            tail = min((unknown | (draws <= null)).sum(), (unknown | (draws >= null)).sum())
            p = min(1.0, 2 * float(tail + 1) / (len(draws) + 1))
        return Estimate(float(value[0]), float(low), float(high), p)


def _paired(
    pairs: Sequence[tuple[Sample, Sample]], resamples: int, random: np.random.Generator
) -> list[tuple[Sample, Sample, Values, Values, str]]:
    """Each pair, its drawn means, and a side for the second one's seeds: that of the first if they are the same."""
    for a, b in pairs:
        of_a, of_b = (dict(zip(sample.items, sample.clusters, strict=True)) for sample in (a, b))
        if apart := sorted(of_a.keys() ^ of_b.keys()):
            raise ValueError(
                f"paired samples must hold the same items: {len(apart)} are in one of the two only, as {apart[0]!r}"
            )
        if moved := [item for item in of_a if of_a[item] != of_b[item]]:
            raise ValueError(
                f"paired samples must have the same clusters: {moved[0]!r} is of {of_a[moved[0]]!r} and of "
                f"{of_b[moved[0]]!r}"
            )
    means = _means([sample for pair in pairs for sample in pair], resamples, random)
    return [
        (a, b, ours, theirs, "" if set(a.seeds) == set(b.seeds) else "second")
        for (a, b), ours, theirs in zip(pairs, means[::2], means[1::2], strict=True)
    ]


def _means(samples: Sequence[Sample], resamples: int, random: np.random.Generator) -> list[Values]:
    """For each sample the mean of each seed, shape (1 + resamples, seeds): first over all items, then as drawn."""
    where, count = _numbered(samples)
    columns = []
    for sample, numbers in zip(samples, where, strict=True):
        sums = np.zeros((count, len(sample.seeds) + 1))
        np.add.at(sums[:, :-1], numbers, sample.values.T)
        sums[:, -1] = np.bincount(numbers, minlength=count)
        columns.append(sums)
    table = np.hstack(columns)
    totals = np.concatenate(
        [table.sum(axis=0)[None], *(w @ table for w in _weights(count, count - 1, resamples, random))]
    )
    ends = np.cumsum([part.shape[1] for part in columns])
    # A draw without any item of a small sample tells nothing.
    totals = totals[(totals[:, ends - 1] > 0).all(axis=1)]
    return [part[:, :-1] / part[:, -1:] for part in np.split(totals, ends[:-1], axis=1)]


def _numbered(samples: Sequence[Sample]) -> tuple[list[NDArray[np.intp]], int]:
    """For each sample the numbers of its items' clusters, and how many clusters there are in all."""
    if not samples:
        raise ValueError("there is no sample to estimate from")
    where = numbered(*(sample.clusters for sample in samples))
    count = 1 + max(int(each.max()) for each in where)
    if count < 2:
        name = samples[0].clusters[0]
        raise ValueError(f"all items are of one cluster, {name!r}: that tells nothing of how others vary")
    return where, count


def _weights(count: int, drawn: int, resamples: int, random: np.random.Generator) -> Iterator[Values]:
    """How often each cluster is drawn, some draws at a time: shape (draws, clusters)."""
    rows = max(1, min(resamples, _CHUNK // count))
    for start in range(0, resamples, rows):
        here = min(rows, resamples - start)
        draw = random.integers(count, size=(here, drawn)) + count * np.arange(here)[:, None]
        yield np.bincount(draw.ravel(), minlength=here * count).reshape(here, count).astype(np.float64)


def _medians(weights: Values, values: Values, where: NDArray[np.intp]) -> Values:
    """The median of each draw, shape (draws,): of values whose cluster is `where`, each as often as that was drawn."""
    order = np.argsort(values)
    passed = weights[:, where[order]].cumsum(axis=1)
    half = (passed[:, -1:] - 1) / 2
    low, high = (values[order[(passed <= place).sum(axis=1)]] for place in (np.floor(half), np.ceil(half)))
    return np.asarray((low + high) / 2)
