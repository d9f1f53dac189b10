"""Evaluates an aligned pair of towers on a split of its data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlilt.data import Row
from mlilt.evaluation.retrieval import (
    Concepts,
    Embedded,
    Placed,
    blocks,
    compare,
    mean_reciprocal_rank,
    place,
    ranks,
    recall,
)
from mlilt.evaluation.statistics import bootstrap_interval, numbered
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
    captions, pictures = embedded(rows, asked, text, image)
    pools = {"all": (np.ones(len(captions), bool), np.ones(len(pictures), bool))}
    sources = sorted({row.source for row in rows})
    for source in sources if len(sources) > 1 else []:
        # A source by itself is its own pool: its figures do not depend on what else was prepared.
        carried = np.array([source in sources for sources in asked.sources])
        shown = np.array([row.source == source for row in rows])
        if carried.sum() > 1 and shown.sum() > 1:
            pools[source] = (carried, shown)
    results: dict[str, Retrieval] = {}
    by_text: list[_Places] = [_Places() for _ in asked.captions]
    by_image: list[_Places] = [_Places() for _ in rows]
    for name, (t, i) in pools.items():
        ways = []
        for queries, pool, members, table in (
            (captions[t], pictures[i], t, by_text),
            (pictures[i], captions[t], i, by_image),
        ):
            placed = place(queries, pool)
            ways.append(_direction(placed, queries.concepts))
            members_asked = np.flatnonzero(members).tolist()
            for query, rank, gain in zip(members_asked, placed.ranks.tolist(), placed.gains.tolist(), strict=True):
                table[query].ranks[name] = rank
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
    spread = np.unique(np.linspace(0, len(captions) - 1, min(EXAMPLES, len(captions))).astype(int))

    def found(query: int) -> Found:
        return _found(query, rows, asked, captions, pictures, by_text[query].ranks["all"])

    spaced = [found(query) for query in spread.tolist()]
    worst = [found(query) for query in _surest_mistakes(captions, pictures)]
    return Evaluation(results, lines, spaced, worst)


@dataclass(slots=True)
class _Places:
    """A query's rank and its nDCG@10 in each pool."""

    ranks: dict[str, int] = field(default_factory=dict)
    ndcg: dict[str, float] = field(default_factory=dict)


def glance(rows: Sequence[Row], asked: Queries, text: NDArray[Any], image: NDArray[Any]) -> dict[str, float]:
    """A few figures over all, without intervals: what validation after each epoch needs; arguments as `evaluate`."""
    captions, pictures = embedded(rows, asked, text, image)
    by_text, by_image = (
        np.concatenate([ranks(similarity, right) for _, similarity, right in blocks(*sides)])
        for sides in ((captions, pictures), (pictures, captions))
    )
    return {
        "text_to_image_recall_at_10": recall(by_text, 10),
        "image_to_text_recall_at_10": recall(by_image, 10),
        "text_to_image_mrr": mean_reciprocal_rank(by_text),
    }


def embedded(rows: Sequence[Row], asked: Queries, text: NDArray[Any], image: NDArray[Any]) -> tuple[Embedded, Embedded]:
    """Queries and pictures, which belong together where they are of one concept; arguments as `evaluate`."""
    of_text, of_image = numbered(asked.concepts, [row.concept for row in rows])
    return Embedded(text, of_text), Embedded(image, of_image)


def _surest_mistakes(captions: Embedded, pictures: Embedded) -> list[int]:
    """Queries whose best wrong picture is furthest before the best right one, the furthest first."""
    lead = np.concatenate(
        [
            np.where(right, -np.inf, similarity).max(axis=1) - np.where(right, similarity, -np.inf).max(axis=1)
            for _, similarity, right in blocks(captions, pictures)
        ]
    )
    return [query for query in np.argsort(-lead, kind="stable")[:EXAMPLES].tolist() if lead[query] > 0]


def _found(query: int, rows: Sequence[Row], asked: Queries, captions: Embedded, pictures: Embedded, rank: int) -> Found:
    [similarity], [right] = compare(captions[query : query + 1], pictures)
    best = np.argsort(-similarity, kind="stable")[:SHOWN].tolist()
    return Found(
        query=asked.captions[query],
        english=asked.english[query],
        concept=asked.concepts[query],
        images=[rows[i].image_id for i in best],
        right=right[best].tolist(),
        rank=rank,
        answer=rows[int(np.where(right, similarity, -np.inf).argmax())].image_id,
    )


def _direction(placed: Placed, concepts: Concepts) -> Direction:
    means = np.stack([*(placed.ranks <= k for k in (1, 5, 10)), 1.0 / placed.ranks, placed.gains])
    ends = [
        *bootstrap_interval(means, "mean", concepts.tolist()).tolist(),
        bootstrap_interval(placed.ranks, "median", concepts.tolist()).tolist(),
    ]
    values = [*means.mean(axis=1).tolist(), float(np.median(placed.ranks))]
    names = ("recall_at_1", "recall_at_5", "recall_at_10", "mrr", "ndcg_at_10", "median_rank")
    return Direction(
        queries=len(placed.ranks),
        pool=placed.pool,
        chance_recall_at_10=placed.chance(10),
        **{
            name: Interval(value=value, low=low, high=high)
            for name, value, (low, high) in zip(names, values, ends, strict=True)
        },
    )
