"""MTEB's own evaluation of a run, on a retrieval task of its own interface made of the small Swahili test split."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from PIL import Image as Pictures

from data_prep.pipeline import Prepared
from mlilt import data, record
from mlilt.evaluation.retrieval import ranks, recall
from mlilt.training.evaluate import queries
from mlilt.wrappers.mteb import RunEncoder

NUMBERS = (1, 3, 5, 10)


@pytest.fixture(scope="module")
def run(real: Path) -> RunEncoder:
    return RunEncoder(str(real), offline=True)


@pytest.fixture(scope="module")
def pictures(small_sw: Prepared) -> dict[str, Pictures.Image]:
    found = data.read_pictures(small_sw.folder, "test")
    return {image_id: Pictures.open(io.BytesIO(content)).convert("RGB") for image_id, content in found}


class Miniature(AbsTaskRetrieval):
    """Captions ask for pictures; those of the same concept are right. `of` gives it its data."""

    metadata = TaskMetadata(
        name="SwahiliMiniatureT2IRetrieval",
        description="Pictures by Swahili captions.",
        reference=None,
        dataset={"path": "none", "revision": "1"},
        type="Any2AnyRetrieval",
        category="t2i",
        modalities=["text", "image"],
        eval_splits=["test"],
        eval_langs=["swa-Latn"],
        main_score="hit_rate_at_10",
        date=("2026-01-01", "2026-01-02"),
        domains=["Written"],
        task_subtypes=["Image Text Retrieval"],
        license="not specified",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )
    k_values = NUMBERS

    @classmethod
    def of(cls, split: dict[str, Any]) -> Miniature:
        task = cls()
        task.dataset = {"default": {"test": split}}  # type: ignore[typeddict-item]
        task.data_loaded = True
        return task


def test_mteb_finds_the_recall_that_mlilt_finds(
    run: RunEncoder, pictures: dict[str, Pictures.Image], small_sw: Prepared, tmp_path: Path
) -> None:
    rows = data.read_rows(small_sw.folder, "test")
    asked = queries(rows)
    places = list(pictures)
    concept = {row.image_id: row.concept for row in rows}
    right = np.array([[concept[place] == each for place in places] for each in asked.concepts])
    task = Miniature.of(
        {
            "corpus": Dataset.from_dict(
                {"id": places, "image": list(pictures.values())},
                features=Features({"id": Value("string"), "image": Image()}),
            ),
            "queries": Dataset.from_dict({"id": [f"q{n}" for n in range(len(right))], "text": asked.captions}),
            "relevant_docs": {
                f"q{n}": {place: 1 for place, there in zip(places, row, strict=True) if there}
                for n, row in enumerate(right)
            },
            "top_ranked": None,
        }
    )
    cache = mteb.ResultCache(tmp_path)
    [result] = mteb.evaluate(run, [task], cache=cache, show_progress_bar=False).task_results
    [scores] = result.scores["test"]
    texts, shown = run.model.encode_text(asked.captions), run.model.encode_image(list(pictures.values()))
    expected = ranks(texts @ shown.T, right)
    for k in NUMBERS:
        assert scores[f"hit_rate_at_{k}"] == pytest.approx(recall(expected, k), abs=1e-5)
    assert 0 < recall(expected, 1) < recall(expected, 10)
    assert result.scores["test"][0]["languages"] == ["swa-Latn"]


def _inputs(**columns: list[Any]) -> Any:
    """Two batches, as MTEB's loaders give them."""

    class Inputs:
        dataset = Dataset.from_dict({name: [""] for name in columns})

        def __iter__(self) -> Iterator[dict[str, list[Any]]]:
            for part in (slice(0, 2), slice(2, None)):
                yield {name: values[part] for name, values in columns.items()}

    return Inputs()


def test_a_text_with_a_picture_is_the_direction_of_both(run: RunEncoder, pictures: dict[str, Pictures.Image]) -> None:
    shown, texts = list(pictures.values())[:3], ["mbwa", "paka", "nyumba"]
    both = run.encode(_inputs(text=texts, image=shown), show_progress_bar=False)
    expected = run.model.encode_text(texts).astype(float) + run.model.encode_image(shown)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(both, expected, atol=1e-6)
    alone = run.encode(_inputs(text=texts), show_progress_bar=False)
    np.testing.assert_allclose(alone, run.model.encode_text(texts), atol=1e-6)
    with pytest.raises(ValueError, match="not audio"):
        run.encode(_inputs(audio=[1]), show_progress_bar=False)


def test_mteb_knows_what_it_evaluated(run: RunEncoder, real: Path) -> None:
    about, known = record.read(real), run.mteb_model_meta
    assert (known.name, known.revision) == (f"mlilt/{about.name}", about.weights_sha256)
    assert known.languages == ["swa-Latn"]
    assert known.embed_dim == about.config.dim
    assert isinstance(run, mteb.models.EncoderProtocol)
