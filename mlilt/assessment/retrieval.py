"""Retrieval on the test split of any language, also one that was never trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlilt.assessment._base import Asked, Measured, Subject, refuse_trimmed
from mlilt.evaluation.retrieval import chance_recall, ndcg, ranks
from mlilt.record import RunRecord


class _Retrieval:
    before = False

    def things(self, subject: RunRecord, languages: Sequence[str]) -> list[tuple[str, ...]]:
        """Each language."""
        return [(language,) for language in languages]

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Both directions; a picture is right for a caption if both are of one concept."""
        [one] = asked
        refuse_trimmed(subject.about, one.language)
        queries, rows = one.queries, one.split.rows
        similarity = subject.text(queries.captions) @ subject.image(one.split).T
        concepts = [row.concept for row in rows]
        right = np.array(queries.concepts)[:, None] == np.array(concepts)[None, :]
        captions = [f"{concept}: {text}" for concept, text in zip(queries.concepts, queries.captions, strict=True)]
        pictures = [row.image_id for row in rows]
        # A picture may be in a data set by several sources.
        first = [place for place, image_id in enumerate(pictures) if pictures.index(image_id) == place]
        return [
            _measured(one.language, "text_to_image", captions, queries.concepts, similarity, right),
            _measured(
                one.language,
                "image_to_text",
                [pictures[place] for place in first],
                [concepts[place] for place in first],
                similarity.T[first],
                right.T[first],
            ),
        ]


def _measured(
    language: str,
    part: str,
    items: list[str],
    clusters: list[str],
    similarity: NDArray[np.float32],
    right: NDArray[np.bool_],
) -> Measured:
    places = ranks(similarity, right)
    values = {f"recall_at_{k}": (places <= k).astype(float).tolist() for k in (1, 5, 10)}
    values |= {"mrr": (1 / places).tolist(), "ndcg_at_10": ndcg(similarity, right, 10).tolist()}
    chance = {f"recall_at_{k}": chance_recall(right, k) for k in (1, 5, 10)}
    about = {"pool": right.shape[1]}
    return Measured(
        test="retrieval", on=language, part=part, items=items, clusters=clusters, values=values, chance=chance,
        about=about,
    )  # fmt: skip


TEST = _Retrieval()
