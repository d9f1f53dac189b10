"""Retrieval on the test split of any language, also one that was never trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlilt.assessment._base import Asked, Measured, Subject, Thing, each_language, first_rows
from mlilt.evaluation.retrieval import Placed, place
from mlilt.record import RunRecord
from mlilt.training.evaluate import embedded


class _Retrieval:
    before = False
    figures = ("recall_at_1", "recall_at_10")
    needs = "two concepts with captions"

    def things(self, about: RunRecord, asked: Sequence[Asked]) -> list[Thing]:
        """Each language."""
        return each_language(asked)

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Both directions; a picture is right for a caption if both are of one concept."""
        [one] = asked
        queries, rows = one.queries, one.split.rows
        if len(one.names) < 2:
            return []
        captions, pictures = embedded(rows, queries, subject.text(queries.captions), subject.image(one.split))
        first = first_rows(rows)
        return [
            _measured(one.language, "text_to_image", one.captions, queries.concepts, place(captions, pictures)),
            _measured(
                one.language,
                "image_to_text",
                [rows[row].image_id for row in first],
                [rows[row].concept for row in first],
                place(pictures[np.array(first)], captions),
            ),
        ]

    def note(self, measured: Measured) -> str:
        """A recall means little without it."""
        return f"among {measured.about['pool']}"


def _measured(language: str, part: str, items: list[str], clusters: list[str], placed: Placed) -> Measured:
    values = {f"recall_at_{k}": (placed.ranks <= k).astype(float).tolist() for k in (1, 5, 10)}
    values |= {"mrr": (1 / placed.ranks).tolist(), "ndcg_at_10": placed.gains.tolist()}
    chance = {f"recall_at_{k}": placed.chance(k) for k in (1, 5, 10)}
    about = {"pool": placed.pool}
    return Measured(
        test="retrieval", on=language, part=part, items=items, clusters=clusters, values=values, chance=chance,
        about=about,
    )  # fmt: skip


TEST = _Retrieval()
