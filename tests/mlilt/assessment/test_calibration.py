from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_prep.pipeline import Prepared
from mlilt import record
from mlilt.assessment import Measured, assess
from mlilt.assessment._base import Asked, Subject


def test_confidence_is_the_softmax_over_concepts_at_the_learned_temperature(
    run: Path, real_subject: Subject, found: list[Measured], small_sw: Prepared
) -> None:
    one = Asked.of("sw", small_sw.folder)
    text = real_subject.text(one.queries.captions).astype(np.float64)
    pictures = real_subject.image(one.split).astype(np.float64)
    temperature = record.read(run).temperature
    [measured] = [m for m in found if m.test == "calibration"]
    assert measured.about["temperature"] == temperature
    for place, concept in enumerate(one.queries.concepts):
        weights = np.exp(pictures @ text[place] / temperature)
        mass: dict[str, float] = {}
        for row, weight in zip(one.split.rows, weights, strict=True):
            mass[row.concept] = mass.get(row.concept, 0.0) + weight / weights.sum()
        first = max(mass, key=mass.__getitem__)
        assert measured.values["confidence"][place] == pytest.approx(mass[first], rel=1e-4)
        assert measured.values["correct"][place] == float(first == concept)
        assert measured.values["loss"][place] == pytest.approx(-np.log(mass[concept]), abs=1e-3)
    assert measured.about["best_loss"] <= np.mean(measured.values["loss"]) + 1e-6
    assert sum(measured.about["counts"]) == len(measured.items)


def test_languages_that_were_not_trained_are_not_asked(found: list[Measured]) -> None:
    assert [m.on for m in found if m.test == "calibration"] == ["sw"]


def test_a_sigmoid_of_each_pair_is_no_softmax_and_not_asked(train: Callable[..., Path]) -> None:
    assert assess(train(objective="siglip"), tests=["calibration"], progress=False) == []
