"""Ranks and what is made of them, against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlilt.evaluation.retrieval import chance_recall, mean_reciprocal_rank, ranks, recall


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


def test_one_point_for_everything_scores_worst() -> None:
    assert ranks(np.ones((3, 10), np.float32), np.eye(3, 10, dtype=bool)).tolist() == [10, 10, 10]


def test_similarities_that_are_not_numbers_score_worst() -> None:
    similarity = np.array([[np.nan, np.nan, np.nan], [0.9, np.nan, 0.1]])
    right = np.array([[True, False, False], [True, False, False]])
    assert ranks(similarity, right).tolist() == [3, 2]


def test_a_query_without_a_right_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="no right answer in the pool"):
        ranks(np.zeros((2, 3)), np.array([[True, False, False], [False, False, False]]))


@pytest.mark.parametrize("k", [1, 2, 4, 10])
def test_chance_is_the_mean_recall_over_all_orders_of_the_pool(k: int) -> None:
    right = np.array([[True, False, False, False, False], [True, True, True, False, True]])
    orders = list(itertools.permutations(range(5)))
    hits = [[any(row[i] for i in order[:k]) for order in orders] for row in right]
    assert chance_recall(right, k) == pytest.approx(np.mean(hits))
