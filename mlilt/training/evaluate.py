"""Evaluates an aligned pair of towers on a split of its data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlilt.data import Row
from mlilt.evaluation.retrieval import Ranks, chance_recall, mean_reciprocal_rank, ranks, recall
from mlilt.evaluation.statistics import bootstrap_interval, clusters
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
        ranks: rows for `queries.jsonl`: direction, query, concept, and its rank in each pool it is asked in.
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
    similarity, right = _compare(rows, asked, text, image)
    pools = {"all": (np.ones(len(asked.captions), bool), np.ones(len(rows), bool))}
    sources = sorted({row.source for row in rows})
    for source in sources if len(sources) > 1 else []:
        # A source by itself is its own pool: its figures do not depend on what else was prepared.
        carried = np.array([source in sources for sources in asked.sources])
        shown = np.array([row.source == source for row in rows])
        if carried.sum() > 1 and shown.sum() > 1:
            pools[source] = (carried, shown)
    of_text, of_image = np.array(asked.concepts), np.array([row.concept for row in rows])
    results: dict[str, Retrieval] = {}
    by_text: list[dict[str, int]] = [{} for _ in asked.captions]
    by_image: list[dict[str, int]] = [{} for _ in rows]
    for name, (t, i) in pools.items():
        part, fits = similarity[np.ix_(t, i)], right[np.ix_(t, i)]
        ways = []
        for scores, matching, members, concepts, table in (
            (part, fits, t, of_text, by_text),
            (part.T, fits.T, i, of_image, by_image),
        ):
            places = ranks(scores, matching)
            ways.append(_direction(places, matching, concepts[members].tolist()))
            for query, place in zip(np.flatnonzero(members).tolist(), places.tolist(), strict=True):
                table[query][name] = place
        results[name] = Retrieval(text_to_image=ways[0], image_to_text=ways[1])
    lines = [
        {"direction": "text_to_image", "query": q, "concept": c, "ranks": r}
        for q, c, r in zip(asked.captions, asked.concepts, by_text, strict=True)
    ]
    lines += [
        {"direction": "image_to_text", "query": row.image_id, "concept": row.concept, "ranks": r}
        for row, r in zip(rows, by_image, strict=True)
    ]
    return Evaluation(results, lines, _examples(rows, asked, similarity, right))


def glance(rows: Sequence[Row], asked: Queries, text: NDArray[Any], image: NDArray[Any]) -> dict[str, float]:
    """A few figures over all, without intervals: what validation after each epoch needs; arguments as `evaluate`."""
    similarity, right = _compare(rows, asked, text, image)
    by_text, by_image = ranks(similarity, right), ranks(similarity.T, right.T)
    return {
        "text_to_image_recall_at_10": recall(by_text, 10),
        "image_to_text_recall_at_10": recall(by_image, 10),
        "text_to_image_mrr": mean_reciprocal_rank(by_text),
    }


def _compare(
    rows: Sequence[Row], asked: Queries, text: NDArray[Any], image: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Similarities of queries and pictures, and which of them belong together."""
    right = np.array(asked.concepts)[:, None] == np.array([row.concept for row in rows])[None, :]
    return text @ image.T, right


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


def _direction(places: Ranks, right: NDArray[np.bool_], concepts: Sequence[str]) -> Direction:
    def interval(values: NDArray[Any], statistic: Callable[..., Any]) -> Interval:
        low, high = bootstrap_interval(clusters(values, concepts), lambda drawn: statistic(drawn, axis=-1))
        return Interval(value=float(statistic(values)), low=low, high=high)

    return Direction(
        queries=len(places),
        pool=right.shape[1],
        chance_recall_at_10=chance_recall(right, 10),
        recall_at_1=interval(places <= 1, np.nanmean),
        recall_at_5=interval(places <= 5, np.nanmean),
        recall_at_10=interval(places <= 10, np.nanmean),
        median_rank=interval(places, np.nanmedian),
        mrr=interval(1.0 / places, np.nanmean),
    )
