"""Figures of a split, against loops over every query and picture."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.data import Row
from mlilt.record import Direction
from mlilt.training.evaluate import EXAMPLES, SHOWN, evaluate, queries


@pytest.fixture(scope="module")
def rows(small_sw: Prepared) -> list[Row]:
    return data.read_rows(small_sw.folder, "test")


def embedded(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_queries_are_each_concepts_main_captions_once_each() -> None:
    rows = [
        Row("1", ("mbwa", "x"), (), ("dog", "y"), "dog", "emoji", "", "Animals"),
        Row("2", ("mbwa",), (), (), "dog", "emoji", ""),
        Row("3", ("mbwa",), (), ("dog",), "dog", "stamps", ""),
        Row("4", ("jibwa",), (), (), "dog", "stamps", "", "pets"),
        Row("5", ("mbwa",), (), ("wolf",), "wolf", "stamps", ""),
    ]
    asked = queries(rows)
    assert asked.captions == ["mbwa", "jibwa", "mbwa"]
    assert asked.concepts == ["dog", "dog", "wolf"]
    assert asked.english == ["dog", "", "wolf"]
    assert asked.sources == [{"emoji", "stamps"}, {"stamps"}, {"stamps"}]
    assert asked.categories == ["Animals", "pets", ""]


def check(found: Direction, places: list[int], pool: int) -> None:
    assert (found.queries, found.pool) == (len(places), pool)
    for k in (1, 5, 10):
        assert getattr(found, f"recall_at_{k}").value == pytest.approx(sum(p <= k for p in places) / len(places))
    assert found.median_rank.value == statistics.median(places)
    assert found.mrr.value == pytest.approx(sum(1 / p for p in places) / len(places))
    for figure in (found.recall_at_1, found.recall_at_5, found.recall_at_10, found.median_rank, found.mrr):
        assert figure.low <= figure.value <= figure.high
    assert found.mrr.low < found.mrr.high


def test_figures_over_all_and_by_source_are_those_of_plain_loops(rows: list[Row]) -> None:
    asked = queries(rows)
    text, image = embedded(len(asked.captions), 0), embedded(len(rows), 1)
    result = evaluate(rows, asked, text, image, range(len(asked.captions)))
    sources = {row.source for row in rows}
    assert len(sources) == 3
    assert set(result.results) == {"all", *sources}
    for name, found in result.results.items():
        captions = [i for i, s in enumerate(asked.sources) if name == "all" or name in s]
        pictures = [i for i, row in enumerate(rows) if name in ("all", row.source)]

        def rank(scores: list[float], right: list[bool]) -> int:
            best = max(s for s, r in zip(scores, right, strict=True) if r)
            return 1 + sum(s >= best for s, r in zip(scores, right, strict=True) if not r)

        score = {(c, p): float(text[c] @ image[p]) for c in captions for p in pictures}
        fits = {(c, p): asked.concepts[c] == rows[p].concept for c in captions for p in pictures}
        by_text = [rank([score[c, p] for p in pictures], [fits[c, p] for p in pictures]) for c in captions]
        by_image = [rank([score[c, p] for c in captions], [fits[c, p] for c in captions]) for p in pictures]
        check(found.text_to_image, by_text, len(pictures))
        check(found.image_to_text, by_image, len(captions))
        assert [line["ranks"][name] for line in result.lines if name in line["ranks"]] == by_text + by_image
    assert [line["query"] for line in result.lines] == asked.captions + [row.image_id for row in rows]
    assert [line["concept"] for line in result.lines] == asked.concepts + [row.concept for row in rows]
    assert [line["category"] for line in result.lines] == asked.categories + [row.category for row in rows]
    assert [line.get("tokens") for line in result.lines] == [*range(len(asked.captions)), *[None] * len(rows)]


def test_examples_are_spread_over_the_split_and_show_what_was_found_best_first(rows: list[Row]) -> None:
    asked = queries(rows)
    text, image = embedded(len(asked.captions), 2), embedded(len(rows), 3)
    examples = evaluate(rows, asked, text, image, [1] * len(asked.captions)).examples
    assert len(examples) == min(EXAMPLES, len(asked.captions))
    assert (examples[0].query, examples[-1].query) == (asked.captions[0], asked.captions[-1])
    for example in examples:
        query = next(
            i for i, c in enumerate(asked.captions) if (c, asked.concepts[i]) == (example.query, example.concept)
        )
        best = sorted(range(len(rows)), key=lambda p: -float(text[query] @ image[p]))[:SHOWN]
        assert example.images == [rows[p].image_id for p in best]
        assert example.right == [rows[p].concept == example.concept for p in best]
        right = [p for p, row in enumerate(rows) if row.concept == example.concept]
        answer = max(right, key=lambda p: float(text[query] @ image[p]))
        assert example.answer == rows[answer].image_id
        wrong = [float(text[query] @ image[p]) for p in range(len(rows)) if p not in right]
        assert example.rank == 1 + sum(score >= float(text[query] @ image[answer]) for score in wrong)


def test_confusions_are_the_wrong_pictures_furthest_before_the_right_ones(rows: list[Row]) -> None:
    asked = queries(rows)
    text, image = embedded(len(asked.captions), 4), embedded(len(rows), 5)
    found = evaluate(rows, asked, text, image, [1] * len(asked.captions)).confusions
    leads = []
    for query, concept in enumerate(asked.concepts):
        scores = [(float(text[query] @ image[p]), row.concept == concept) for p, row in enumerate(rows)]
        leads.append(max(s for s, r in scores if not r) - max(s for s, r in scores if r))
    worst = sorted(range(len(leads)), key=lambda query: -leads[query])[:EXAMPLES]
    assert [(f.query, f.concept) for f in found] == [(asked.captions[q], asked.concepts[q]) for q in worst]
    assert all(not f.right[0] and f.rank > 1 for f in found)


def test_perfect_embeddings_score_perfectly(rows: list[Row]) -> None:
    asked = queries(rows)
    names = sorted(set(asked.concepts))
    axes = np.eye(len(names), dtype=np.float32)
    text = axes[[names.index(c) for c in asked.concepts]]
    image = axes[[names.index(row.concept) for row in rows]]
    for found in evaluate(rows, asked, text, image, [1] * len(asked.captions)).results.values():
        for direction in (found.text_to_image, found.image_to_text):
            assert direction.recall_at_1.value == direction.mrr.value == direction.median_rank.value == 1
            assert direction.ndcg_at_10.value == 1
