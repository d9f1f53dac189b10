"""Evaluates an aligned pair of towers on a split of its data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlilt.data import Row
from mlilt.evaluation.retrieval import Ranks, chance_recall, mean_reciprocal_rank, ndcg, ranks, recall
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
        categories: of the first picture that carries it.
    """

    captions: list[str]
    concepts: list[str]
    english: list[str]
    sources: list[set[str]]
    categories: list[str]


def queries(rows: Sequence[Row]) -> Queries:
    """The queries of a split, in order of first appearance."""
    found: dict[tuple[str, str], tuple[str, set[str], str]] = {}
    for row in rows:
        english = row.captions_en[0] if row.captions_en else ""
        found.setdefault((row.captions[0], row.concept), (english, set(), row.category))[1].add(row.source)
    return Queries(
        captions=[caption for caption, _ in found],
        concepts=[concept for _, concept in found],
        english=[english for english, _, _ in found.values()],
        sources=[sources for _, sources, _ in found.values()],
        categories=[category for _, _, category in found.values()],
    )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures over all and by source, and the rank of each single query for tests between runs.

    Attributes:
        results: "all" and each source with at least two concepts.
        lines: rows for `queries.jsonl`: direction, query, concept, category, and rank and nDCG@10 in each pool it is
            asked in; of captions the number of tokens too.
        examples: some queries with what they found.
        confusions: those that found another concept with least doubt.
    """

    results: dict[str, Retrieval]
    lines: list[dict[str, Any]]
    examples: list[Found]
    confusions: list[Found]


def evaluate(
    rows: Sequence[Row], asked: Queries, text: NDArray[Any], image: NDArray[Any], tokens: Sequence[int]
) -> Evaluation:
    """Retrieval in both directions. A picture is right for a caption if both are of one concept.

    Args:
        rows: the split.
        asked: its queries.
        text: embeddings of the queries, L2-normalized, shape (queries, dim).
        image: embeddings of the rows' pictures, L2-normalized, shape (rows, dim).
        tokens: of each query, how many it has.
    """
    similarity, right = compare(rows, asked, text, image)
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
    by_text: list[_Places] = [_Places() for _ in asked.captions]
    by_image: list[_Places] = [_Places() for _ in rows]
    for name, (t, i) in pools.items():
        part, fits = similarity[np.ix_(t, i)], right[np.ix_(t, i)]
        ways = []
        for scores, matching, members, concepts, table in (
            (part, fits, t, of_text, by_text),
            (part.T, fits.T, i, of_image, by_image),
        ):
            places, gains = ranks(scores, matching), ndcg(scores, matching)
            ways.append(_direction(places, gains, matching, concepts[members].tolist()))
            queries_asked = np.flatnonzero(members).tolist()
            for query, place, gain in zip(queries_asked, places.tolist(), gains.tolist(), strict=True):
                table[query].ranks[name] = place
                table[query].ndcg[name] = round(gain, 6)
        results[name] = Retrieval(text_to_image=ways[0], image_to_text=ways[1])
    about = zip(asked.captions, asked.concepts, asked.categories, tokens, strict=True)
    lines: list[dict[str, Any]] = [
        {"direction": "text_to_image", "query": q, "concept": c, "category": g, "tokens": t, **asdict(found)}
        for (q, c, g, t), found in zip(about, by_text, strict=True)
    ]
    lines += [
        {
            "direction": "image_to_text",
            "query": row.image_id,
            "concept": row.concept,
            "category": row.category,
            **asdict(found),
        }
        for row, found in zip(rows, by_image, strict=True)
    ]
    spread = np.unique(np.linspace(0, len(asked.captions) - 1, min(EXAMPLES, len(asked.captions))).astype(int))
    spaced = [_found(query, rows, asked, similarity, right) for query in spread.tolist()]
    worst = [_found(query, rows, asked, similarity, right) for query in _surest_mistakes(similarity, right)]
    return Evaluation(results, lines, spaced, worst)


@dataclass(slots=True)
class _Places:
    """A query's rank and its nDCG@10 in each pool."""

    ranks: dict[str, int] = field(default_factory=dict)
    ndcg: dict[str, float] = field(default_factory=dict)


def glance(rows: Sequence[Row], asked: Queries, text: NDArray[Any], image: NDArray[Any]) -> dict[str, float]:
    """A few figures over all, without intervals: what validation after each epoch needs; arguments as `evaluate`."""
    similarity, right = compare(rows, asked, text, image)
    by_text, by_image = ranks(similarity, right), ranks(similarity.T, right.T)
    return {
        "text_to_image_recall_at_10": recall(by_text, 10),
        "image_to_text_recall_at_10": recall(by_image, 10),
        "text_to_image_mrr": mean_reciprocal_rank(by_text),
    }


def compare(
    rows: Sequence[Row], asked: Queries, text: NDArray[Any], image: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Similarities of queries and pictures, and which of them belong together."""
    right = np.array(asked.concepts)[:, None] == np.array([row.concept for row in rows])[None, :]
    return text @ image.T, right


def _surest_mistakes(similarity: NDArray[Any], right: NDArray[np.bool_]) -> list[int]:
    """Queries whose best wrong picture is furthest before the best right one, the furthest first."""
    wrong = np.where(right, -np.inf, similarity).max(axis=1)
    lead = wrong - np.where(right, similarity, -np.inf).max(axis=1)
    return [query for query in np.argsort(-lead, kind="stable")[:EXAMPLES].tolist() if lead[query] > 0]


def _found(
    query: int, rows: Sequence[Row], asked: Queries, similarity: NDArray[Any], right: NDArray[np.bool_]
) -> Found:
    best = np.argsort(-similarity[query], kind="stable")[:SHOWN].tolist()
    answer = int(np.where(right[query], similarity[query], -np.inf).argmax())
    return Found(
        query=asked.captions[query],
        english=asked.english[query],
        concept=asked.concepts[query],
        images=[rows[i].image_id for i in best],
        right=[bool(right[query, i]) for i in best],
        rank=int(ranks(similarity[query : query + 1], right[query : query + 1])[0]),
        answer=rows[answer].image_id,
    )


def _direction(
    places: Ranks, gains: NDArray[np.float64], right: NDArray[np.bool_], concepts: Sequence[str]
) -> Direction:
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
        ndcg_at_10=interval(gains, np.nanmean),
    )
