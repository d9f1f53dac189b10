"""Bitext retrieval of the text tower alone: does a concept's name find its name in another language?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from mlilt.assessment._base import Asked, Measured, Subject, refuse_trimmed
from mlilt.evaluation import bitext
from mlilt.record import RunRecord


class _Bitext:
    before = True

    def things(self, subject: RunRecord, languages: Sequence[str]) -> list[tuple[str, ...]]:
        """Each pair of languages."""
        return list(combinations(sorted(languages), 2))

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Accuracy of the concepts of both test splits, the mean of both directions."""
        one, other = asked
        for each in asked:
            refuse_trimmed(subject.about, each.language)
        concepts = [concept for concept in one.names if concept in other.names]
        if len(concepts) < 2:
            return []
        names = [[each.names[concept] for concept in concepts] for each in asked]
        same = [np.array(texts)[:, None] == np.array(texts)[None, :] for texts in names]
        # What has one name in either language is translated by either's.
        vectors = [subject.language_vectors(texts) for texts in names]
        there, back = bitext.accuracy(vectors[0], vectors[1], same[0] | same[1])
        return [
            Measured(
                test="bitext",
                on=f"{one.language}-{other.language}",
                items=concepts,
                clusters=concepts,
                values={"accuracy": ((there + back) / 2).tolist()},
                chance={"accuracy": float((same[0] | same[1]).mean())},
            )
        ]


TEST = _Bitext()
