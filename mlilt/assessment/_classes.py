"""Zero-shot classification, whatever the classes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlilt.assessment._base import Asked, Measured, Subject, balanced
from mlilt.evaluation import zero_shot


def classified(
    test: str,
    subject: Subject,
    one: Asked,
    shown: Mapping[int, str],
    prompts: Mapping[str, Sequence[str]],
    about: dict[str, Any],
) -> Measured:
    """Accuracy of each picture, and the same weighted so that classes count alike.

    Args:
        test: the test's name.
        subject: what is put to it.
        one: whose pictures.
        shown: for each row that is asked about, by its place in the split, its class; each picture once.
        prompts: of all classes that may be named, so many of each.
        about: what else is worth knowing.
    """
    classes = list(prompts)
    places = list(shown)
    number = {name: n for n, name in enumerate(classes)}
    texts = [text for name in classes for text in prompts[name]]
    encoded = zero_shot.ensemble(subject.text(texts).reshape(len(classes), len(texts) // len(classes), -1))
    labels = np.array([number[name] for name in shown.values()])
    right = zero_shot.accuracy(subject.image(one.split)[places], encoded, labels)
    weighted, by_class = balanced(right, np.array(list(shown.values())))
    rows = [one.split.rows[place] for place in places]
    return Measured(
        test=test,
        on=one.language,
        items=[row.image_id for row in rows],
        clusters=[row.concept for row in rows],
        values={"accuracy": right.tolist(), "balanced": weighted},
        chance={"accuracy": 1 / len(classes), "balanced": 1 / len(classes)},
        about={**about, "among": len(classes), "by_class": by_class},
    )
