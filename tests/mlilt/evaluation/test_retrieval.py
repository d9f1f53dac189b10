"""Ranks and what is made of them, against brute force."""

from __future__ import annotations

import itertools

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import RR, Success, nDCG

from mlilt.evaluation import retrieval
from mlilt.evaluation.retrieval import (
    Embedded,
    blocks,
    chance_recall,
    mean_reciprocal_rank,
    ndcg,
    place,
    ranks,
    recall,
)


def rank_by_sorting(scores: list[float], right: list[bool]) -> int:
    """Sorts by score, wrong before right among equals, and looks for the first right one."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], right[i]))
    return 1 + next(place for place, i in enumerate(order) if right[i])


@given(st.data())
def test_ranks_recall_and_reciprocal_ranks_are_those_of_sorting_with_ties_and_several_right(
    data: st.DataObject,
) -> None:
    queries, pool = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 7))
    # Few different scores, so that there are many ties.
    row = st.lists(st.sampled_from([-1.0, 0.0, 0.25, 1.0]), min_size=pool, max_size=pool)
    fits = st.lists(st.booleans(), min_size=pool, max_size=pool).filter(any)
    scores = data.draw(st.lists(row, min_size=queries, max_size=queries))
    right = data.draw(st.lists(fits, min_size=queries, max_size=queries))
    expected = [rank_by_sorting(s, r) for s, r in zip(scores, right, strict=True)]
    found = ranks(np.array(scores), np.array(right))
    assert found.tolist() == expected
    for k in (1, 3):
        assert recall(found, k) == pytest.approx(sum(r <= k for r in expected) / queries)
    assert mean_reciprocal_rank(found) == pytest.approx(sum(1 / r for r in expected) / queries)


def scored(queries: int, pool: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Random scores without ties, several right answers and at least one."""
    rng = np.random.default_rng(queries)
    right = rng.random((queries, pool)) < share
    right[np.arange(queries), rng.integers(pool, size=queries)] = True
    return rng.normal(size=(queries, pool)), right


@pytest.mark.parametrize(("pool", "share"), [(200, 0.03), (15, 0.6), (6, 0.3)])
def test_measures_of_each_query_are_those_of_ir_measures(pool: int, share: float) -> None:
    scores, right = scored(80, pool, share)
    judged = [ir_measures.Qrel(str(q), str(d), int(right[q, d])) for q in range(len(right)) for d in range(pool)]
    run = [ir_measures.ScoredDoc(str(q), str(d), float(scores[q, d])) for q in range(len(right)) for d in range(pool)]
    measures = [nDCG @ 10, nDCG @ 3, RR, Success @ 1, Success @ 5, Success @ 10]
    expected = {measure: np.zeros(len(right)) for measure in measures}
    for found in ir_measures.iter_calc(measures, judged, run):
        expected[found.measure][int(found.query_id)] = found.value
    np.testing.assert_allclose(ndcg(scores, right), expected[nDCG @ 10], atol=1e-9)
    np.testing.assert_allclose(ndcg(scores, right, k=3), expected[nDCG @ 3], atol=1e-9)
    places = ranks(scores, right)
    np.testing.assert_allclose(1 / places, expected[RR], atol=1e-9)
    assert mean_reciprocal_rank(places) == pytest.approx(expected[RR].mean())
    for k in (1, 5, 10):
        np.testing.assert_array_equal(places <= k, expected[Success @ k])
        assert recall(places, k) == pytest.approx(expected[Success @ k].mean())


def test_recall_is_that_of_clip_benchmark_and_its_share_of_right_answers_is_lower_with_several_right() -> None:
    """CLIP_benchmark 1.6.2, metrics/zeroshot_retrieval.py: `recall_at_k` of each query, compared with zero."""
    for share in (0.1, 0.0):
        scores, right = scored(50, 40, share)
        for direction, matching in ((scores, right), (scores.T, right.T)):
            asked = matching.any(axis=1)
            places = ranks(direction[asked], matching[asked])
            for k in (1, 5, 10):
                shares = []
                for row, fits in zip(direction[asked].tolist(), matching[asked].tolist(), strict=True):
                    first = sorted(range(len(row)), key=row.__getitem__, reverse=True)[:k]
                    shares.append(sum(fits[i] for i in first) / sum(fits))
                assert recall(places, k) == pytest.approx(np.mean([s > 0 for s in shares]))
                if share:
                    assert recall(places, k) > np.mean(shares)
                elif direction is scores:
                    assert recall(places, k) == pytest.approx(np.mean(shares))


@given(st.data())
def test_ndcg_is_that_of_sorting_with_ties_and_is_positive_just_where_the_rank_is_within_k(
    data: st.DataObject,
) -> None:
    pool, k = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 8))
    scores = data.draw(st.lists(st.sampled_from([-1.0, 0.0, 1.0, np.nan]), min_size=pool, max_size=pool))
    right = data.draw(st.lists(st.booleans(), min_size=pool, max_size=pool).filter(any))
    known = [(-np.inf if r else np.inf) if np.isnan(s) else s for s, r in zip(scores, right, strict=True)]
    order = sorted(range(pool), key=lambda i: (-known[i], right[i]))
    gain = sum(1 / np.log2(place + 2) for place, i in enumerate(order[:k]) if right[i])
    ideal = sum(1 / np.log2(place + 2) for place in range(min(k, sum(right))))
    found = ndcg(np.array([scores]), np.array([right]), k)
    assert found == pytest.approx([gain / ideal])
    assert (found > 0) == (ranks(np.array([scores]), np.array([right])) <= k)


def test_one_point_for_everything_scores_worst() -> None:
    assert ranks(np.ones((3, 10), np.float32), np.eye(3, 10, dtype=bool)).tolist() == [10, 10, 10]


def test_similarities_that_are_not_numbers_score_worst() -> None:
    similarity = np.array([[np.nan, np.nan, np.nan], [0.9, np.nan, 0.1]])
    right = np.array([[True, False, False], [True, False, False]])
    assert ranks(similarity, right).tolist() == [3, 2]
    assert ndcg(similarity, right).tolist() == pytest.approx([1 / 2, 1 / np.log2(3)])
    # Of two right answers the one whose similarity is known still counts.
    assert ranks(np.array([[np.nan, 0.9, 0.1]]), np.array([[True, True, False]])).tolist() == [1]


def test_a_query_without_a_right_answer_is_an_error() -> None:
    for measure in (ranks, ndcg):
        with pytest.raises(ValueError, match="no right answer in the pool"):
            measure(np.zeros((2, 3)), np.array([[True, False, False], [False, False, False]]))
    with pytest.raises(ValueError, match="k must be at least 1, is 0"):
        ndcg(np.zeros((1, 1)), np.ones((1, 1), bool), k=0)


@pytest.mark.parametrize("k", [1, 2, 4, 10])
def test_chance_is_the_mean_recall_over_all_orders_of_the_pool(k: int) -> None:
    right = np.array([[True, False, False, False, False], [True, True, True, False, True]])
    orders = list(itertools.permutations(range(5)))
    hits = [[any(row[i] for i in order[:k]) for order in orders] for row in right]
    assert chance_recall(right.sum(axis=1), right.shape[1], k) == pytest.approx(np.mean(hits))


@pytest.mark.parametrize("block", [1, 7, 45, 2**20])
def test_blocks_of_any_size_place_as_the_whole_matrix_does(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(block)
    # Whole numbers, whose products are exact in any order and tie often.
    queries = Embedded(rng.integers(-2, 3, (23, 4)).astype(np.float32), rng.integers(5, size=23))
    pool = Embedded(rng.integers(-2, 3, (15, 4)).astype(np.float32), np.arange(15) % 5)
    monkeypatch.setattr(retrieval, "_BLOCK", block)
    similarity = np.array(
        [[sum(a * b for a, b in zip(q, p, strict=True)) for p in pool.vectors] for q in queries.vectors]
    )
    right = np.array([[q == p for p in pool.concepts] for q in queries.concepts])
    found = place(queries, pool)
    np.testing.assert_array_equal(found.ranks, ranks(similarity, right))
    np.testing.assert_allclose(found.gains, ndcg(similarity, right), atol=1e-12)
    np.testing.assert_array_equal(found.answers, right.sum(axis=1))
    assert found.pool == 15
    assert found.chance(3) == pytest.approx(chance_recall(right.sum(axis=1), 15, 3))
    sizes = [len(some) for _, some, _ in blocks(queries, pool)]
    assert sum(sizes) == 23
    assert max(sizes) == min(23, max(1, block // 15))
