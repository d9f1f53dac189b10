"""Bitext retrieval of the text tower alone: does a concept's name find its name in another language?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mlilt.assessment._base import Asked, Measured, Subject, Thing
from mlilt.evaluation import bitext
from mlilt.record import RunRecord


class _Bitext:
    before = True
    figures = ("accuracy",)
    needs = "two languages that name the same concepts"

    def things(self, about: RunRecord, asked: Sequence[Asked]) -> list[Thing]:
        """Each pair of languages."""
        return [Thing(pair) for pair in combinations(sorted(asked, key=lambda one: one.language), 2)]

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Accuracy of the concepts of both test splits, the mean of both directions."""
        one, other = asked
        concepts = [concept for concept in one.names if concept in other.names]
        if len(concepts) < 2:
            return []
        texts = [_names(each, concepts, [one.names, other.names]) for each in asked]
        same = [np.array([t.casefold() for t in each])[:, None] == [t.casefold() for t in each] for each in texts]
        # What has one name in a language is translated by all names of what is called so: from a name over the concepts
        # that share it to theirs in the other language, and on to concepts that share those.
        right = same[0].astype(np.float32) @ same[1].astype(np.float32) > 0
        vectors = [_vectors(subject, each, chosen) for each, chosen in zip(asked, texts, strict=True)]
        there, back = bitext.accuracy(vectors[0], vectors[1], right)
        equal = [a.casefold() == b.casefold() for a, b in zip(*texts, strict=True)]
        return [
            Measured(
                test="bitext",
                on=f"{one.language}-{other.language}",
                items=concepts,
                clusters=concepts,
                values={"accuracy": ((there + back) / 2).tolist()},
                chance={"accuracy": float(right.mean())},
                about={"identical": float(np.mean(equal))},
            )
        ]

    def note(self, measured: Measured) -> str:
        """Names that both languages share are found by any tower."""
        return f"{100 * measured.about['identical']:.0f} % have one name in both languages"


def _names(one: Asked, concepts: Sequence[str], both: Sequence[dict[str, dict[str, str]]]) -> list[str]:
    """Names of concepts, by the first source that names them in both languages, else by the first of this one."""
    found = []
    for concept in concepts:
        common = [source for source in both[0][concept] if source in both[1][concept]]
        by_source = one.names[concept]
        found.append(by_source[common[0]] if common else next(iter(by_source.values())))
    return found


def _vectors(subject: Subject, one: Asked, texts: Sequence[str]) -> NDArray[np.float32]:
    """Of some of a language's names; all are encoded together, once for all languages that it is paired with."""
    place = {text: n for n, text in enumerate(one.queries.captions)}
    return subject.language_vectors(one.queries.captions)[[place[text] for text in texts]]


TEST = _Bitext()
