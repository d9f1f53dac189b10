"""Evaluates an aligned pair of towers on a split of its data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlilt.data import Row
from mlilt.evaluation.retrieval import Ranks, chance_recall, mean_reciprocal_rank, ranks, recall
from mlilt.evaluation.statistics import bootstrap_interval
from mlilt.record import Direction, Found, Interval, Retrieval

EXAMPLES = 12
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Queries:
    """The captions of a split as queries: each concept's main captions, once each.

    Attributes:
        captions: the queries.
        concepts: what each asks for.
        english: the same in English where there is one, else empty.
        sources: sources whose pictures carry the caption.
    """

    captions: list[str]
    concepts: list[str]
    english: list[str]
    sources: list[set[str]]


def queries(rows: Sequence[Row]) -> Queries:
    """The queries of a split, in order of first appearance."""
    found: dict[tuple[str, str], tuple[str, set[str]]] = {}
    for row in rows:
        english = row.captions_en[0] if row.captions_en else ""
        found.setdefault((row.captions[0], row.concept), (english, set()))[1].add(row.source)
    return Queries(
        captions=[caption for caption, _ in found],
        concepts=[concept for _, concept in found],
        english=[english for english, _ in found.values()],
        sources=[sources for _, sources in found.values()],
    )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures over all and by source, and the rank of each single query for tests between runs.

    Attributes:
        results: "all" and each source with at least two concepts.
        ranks: rows for `queries.jsonl`: direction, query, concept, rank over the whole pool.
        examples: some queries with what they found.
    """

    results: dict[str, Retrieval]
    ranks: list[dict[str, Any]]
    examples: list[Found]


def evaluate(rows: Sequence[Row], asked: Queries, text: NDArray[Any], image: NDArray[Any]) -> Evaluation:
    """Retrieval in both directions. A picture is right for a caption if both are of one concept.

    Args:
        rows: the split.
        asked: its queries.
        text: embeddings of the queries, L2-normalized, shape (queries, dim).
        image: embeddings of the rows' pictures, L2-normalized, shape (rows, dim).
    """
    similarity = text @ image.T
    shown = np.array([row.concept for row in rows])
    wanted = np.array(asked.concepts)
    right = wanted[:, None] == shown[None, :]
    by_text, by_image = ranks(similarity, right), ranks(similarity.T, right.T)
    results = {"all": _both(by_text, by_image, right)}
    sources = sorted({row.source for row in rows})
    for source in sources if len(sources) > 1 else []:
        # A source by itself is its own pool: its figures do not depend on what else was prepared.
        t = np.array([source in carried for carried in asked.sources])
        i = np.array([row.source == source for row in rows])
        part, fits = similarity[np.ix_(t, i)], right[np.ix_(t, i)]
        if t.sum() > 1 and i.sum() > 1:
            results[source] = _both(ranks(part, fits), ranks(part.T, fits.T), fits)
    table = [
        {"direction": "text_to_image", "query": q, "concept": c, "rank": int(r)}
        for q, c, r in zip(asked.captions, asked.concepts, by_text, strict=True)
    ]
    table += [
        {"direction": "image_to_text", "query": row.image_id, "concept": row.concept, "rank": int(r)}
        for row, r in zip(rows, by_image, strict=True)
    ]
    return Evaluation(results, table, _examples(rows, asked, similarity, right))


def _examples(rows: Sequence[Row], asked: Queries, similarity: NDArray[Any], right: NDArray[Any]) -> list[Found]:
    """Queries spread evenly over the split, whatever they found: the same for every run on the same data."""
    picked = np.unique(np.linspace(0, len(asked.captions) - 1, min(EXAMPLES, len(asked.captions))).astype(int))
    found = []
    for query in picked.tolist():
        best = np.argsort(-similarity[query], kind="stable")[:SHOWN].tolist()
        found.append(
            Found(
                query=asked.captions[query],
                english=asked.english[query],
                concept=asked.concepts[query],
                images=[rows[i].image_id for i in best],
                right=[bool(right[query, i]) for i in best],
            )
        )
    return found


def _both(by_text: Ranks, by_image: Ranks, right: NDArray[np.bool_]) -> Retrieval:
    return Retrieval(text_to_image=_direction(by_text, right), image_to_text=_direction(by_image, right.T))


def _direction(places: Ranks, right: NDArray[np.bool_]) -> Direction:
    def interval(value: float, statistic: Callable[[NDArray[Any]], NDArray[Any]]) -> Interval:
        low, high = bootstrap_interval(places, statistic)
        return Interval(value=value, low=low, high=high)

    return Direction(
        queries=len(places),
        pool=right.shape[1],
        chance_recall_at_10=chance_recall(right, 10),
        recall_at_1=interval(recall(places, 1), lambda d: (d <= 1).mean(-1)),
        recall_at_5=interval(recall(places, 5), lambda d: (d <= 5).mean(-1)),
        recall_at_10=interval(recall(places, 10), lambda d: (d <= 10).mean(-1)),
        median_rank=interval(float(np.median(places)), lambda d: np.median(d, axis=-1)),
        mrr=interval(mean_reciprocal_rank(places), lambda d: (1.0 / d).mean(-1)),
    )
