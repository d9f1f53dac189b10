"""k-NN accuracy of the vision tower's features: do pictures lie beside others of their category?

On the categories that were held out of training, or, if none were, on the test split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlilt import data
from mlilt.assessment._base import Asked, Measured, Subject
from mlilt.evaluation import neighbours
from mlilt.record import RunRecord
from mlilt.training.corpus import Split, joined

K = 20


class _Neighbours:
    before = True

    def things(self, subject: RunRecord, languages: Sequence[str]) -> list[tuple[str, ...]]:
        """The run's own data: of several languages the first, since they share their pictures."""
        return [(subject.config.languages[0],)]

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Accuracy of each picture, voted on by those of other concepts."""
        [one] = asked
        held_out = subject.about.config.held_out
        split = _held_out(one, held_out) if held_out else one.split
        labels = np.array([row.category for row in split.rows])
        groups = np.array([row.concept for row in split.rows])
        if len(set(labels)) < 2 or len(set(groups)) < 2:
            return []
        found = neighbours.accuracy(subject.features(split), labels, groups, K)
        shares = np.unique(labels, return_counts=True)[1] / len(labels)
        return [
            Measured(
                test="neighbours",
                on=", ".join(held_out) or "test split",
                items=[f"{row.source} {row.image_id}" for row in split.rows],
                clusters=groups.tolist(),
                values={"accuracy": found.tolist()},
                chance={"accuracy": float(shares.max())},
                about={"k": K, "categories": sorted(set(labels.tolist()))},
            )
        ]


def _held_out(one: Asked, categories: Sequence[str]) -> Split:
    """All pictures of some categories, of whatever split: none of them was trained on."""
    splits = []
    for name in data.SPLITS:
        rows = [row for row in data.read_rows(one.folder, name, one.language) if row.category in categories]
        splits.append(Split(rows, [(one.folder, name)]))
    return joined(splits)


TEST = _Neighbours()
