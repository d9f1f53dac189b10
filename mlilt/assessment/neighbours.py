"""k-NN accuracy of the vision tower's features: do pictures lie beside others of their category?

On the categories that were held out of training, or, if none were, on the test split.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from data_prep import categories
from mlilt import data
from mlilt.assessment._base import Asked, Measured, Subject, Thing, balanced, first_rows
from mlilt.data import Row
from mlilt.evaluation import neighbours
from mlilt.record import RunRecord
from mlilt.training.corpus import Split, joined

K = 20


class _Neighbours:
    before = True
    figures = ("accuracy", "balanced")
    needs = "pictures of two categories, of two concepts each: of those held out if any were"

    def things(self, about: RunRecord, asked: Sequence[Asked]) -> list[Thing]:
        """The run's own data: of several languages the first, since they share their pictures."""
        [first] = [one for one in asked if one.language == about.config.languages[0]]
        return [Thing((first,), json.dumps(about.config.held_out))]

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Accuracy of each picture, voted on by those of other concepts."""
        [one] = asked
        held_out = subject.about.config.held_out
        split = _held_out(one, held_out) if held_out else one.split
        concepts: dict[str, set[str]] = {}
        for row in split.rows:
            concepts.setdefault(_label(row), set()).add(row.concept)
        # With one concept alone there is nobody to vote for it.
        places = [place for place in first_rows(split.rows) if len(concepts[_label(split.rows[place])]) > 1]
        rows = [split.rows[place] for place in places]
        labels = np.array([_label(row) for row in rows])
        groups = np.array([row.concept for row in rows])
        if len(set(labels)) < 2:
            return []
        found = neighbours.accuracy(subject.features(split)[places], labels, groups, K)
        weighted, by_class = balanced(found, labels)
        return [
            Measured(
                test="neighbours",
                on=f"{one.language}: {', '.join(held_out) or 'test split'}",
                items=[row.image_id for row in rows],
                clusters=groups.tolist(),
                values={"accuracy": found.tolist(), "balanced": weighted},
                chance={
                    "accuracy": float(np.unique(labels, return_counts=True)[1].max() / len(labels)),
                    "balanced": 1 / len(by_class),
                },
                about={"k": K, "categories": sorted(by_class), "by_class": by_class},
            )
        ]

    def note(self, measured: Measured) -> str:
        """How many there are to tell apart."""
        return f"{len(measured.about['categories'])} categories, {measured.about['k']} neighbours"


def _label(row: Row) -> str:
    """The class that several sources' categories come down to, else the source's own category."""
    return categories.canonical(row.source, row.category) or row.category


def _held_out(one: Asked, held_out: Sequence[str]) -> Split:
    """All pictures of some categories, of whatever split, but such as were trained on by another category too."""
    rows = {name: data.read_rows(one.folder, name, one.language) for name in data.SPLITS}
    trained = {row.image_id for row in data.without(rows["train"], held_out)}
    return joined(
        [
            Split([r for r in found if r.category in held_out and r.image_id not in trained], [(one.folder, name)])
            for name, found in rows.items()
        ]
    )


TEST = _Neighbours()
