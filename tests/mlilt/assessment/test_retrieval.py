from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_prep.pipeline import Prepared
from mlilt import data, record
from mlilt.assessment import Measured, assess
from mlilt.training.evaluate import queries

FIGURES = ("recall_at_1", "recall_at_5", "recall_at_10", "mrr", "ndcg_at_10")


def of(found: list[Measured], language: str, part: str) -> Measured:
    [one] = [m for m in found if (m.test, m.on, m.part) == ("retrieval", language, part)]
    return one


def check(run: Path, found: list[Measured]) -> None:
    lines = [json.loads(line) for line in (run / record.QUERIES).read_text(encoding="utf-8").splitlines()]
    for part in ("text_to_image", "image_to_text"):
        one, recorded = of(found, "sw", part), getattr(record.read(run).results["sw"]["all"], part)
        assert one.about == {"pool": recorded.pool}
        for figure in FIGURES:
            assert np.mean(one.values[figure]) == pytest.approx(getattr(recorded, figure).value, abs=1e-9), figure
        assert one.chance["recall_at_10"] == pytest.approx(recorded.chance_recall_at_10)
        places = [line["ranks"]["all"] for line in lines if line["direction"] == part]
        assert one.values["mrr"] == pytest.approx([1 / place for place in places])
        assert one.clusters == [line["concept"] for line in lines if line["direction"] == part]


def test_in_its_own_language_a_run_reaches_what_its_record_says(run: Path, found: list[Measured]) -> None:
    check(run, found)


def test_so_does_one_whose_vision_tower_trained(train: Callable[..., Path]) -> None:
    folder = train(vision_strategy="full", strategy="bitfit")
    check(folder, assess(folder, tests=["retrieval"], progress=False))


def test_in_another_language_all_its_captions_and_pictures_are_asked(found: list[Measured], small_en: Prepared) -> None:
    rows = data.read_rows(small_en.folder, "test", "en")
    asked = queries(rows)
    captions, pictures = of(found, "en", "text_to_image"), of(found, "en", "image_to_text")
    assert captions.clusters == asked.concepts
    assert len(captions.items) == len(asked.captions) == pictures.about["pool"]
    assert all(caption in item for caption, item in zip(asked.captions, captions.items, strict=True))
    assert pictures.items == list(dict.fromkeys(row.image_id for row in rows))
    assert captions.about["pool"] == len(rows)
