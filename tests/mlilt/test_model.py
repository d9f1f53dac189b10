"""A finished run as a model that encodes captions and pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mlilt
from data_prep.errors import UserError
from data_prep.pictures import PictureError
from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.model import Model

CAPTIONS = ["mbwa", "uso wenye tabasamu pana", "bendera ya Kenya", "nyumba nyeupe yenye paa jekundu"]


@pytest.fixture(scope="module")
def model(real: Path) -> Model:
    return mlilt.load(real)


@pytest.fixture(scope="module")
def pictures(small_sw: Prepared) -> list[bytes]:
    return [picture for _, picture in data.read_pictures(small_sw.folder, "test")][:5]


def check(vectors: np.ndarray, count: int) -> None:
    assert vectors.shape == (count, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_captions_become_unit_vectors_each_the_same_alone_and_among_others(model: Model) -> None:
    together = model.encode_text(CAPTIONS)
    check(together, len(CAPTIONS))
    alone = np.concatenate([model.encode_text([caption]) for caption in CAPTIONS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(model.encode_text(CAPTIONS[::-1]), together[::-1], atol=1e-5)


def test_many_captions_come_back_in_the_callers_order(model: Model) -> None:
    many = [CAPTIONS[n % 4] for n in range(300)]
    np.testing.assert_allclose(model.encode_text(many), model.encode_text(CAPTIONS)[np.arange(300) % 4], atol=1e-5)


def test_pictures_become_unit_vectors_whichever_way_they_come(
    model: Model, pictures: list[bytes], tmp_path: Path
) -> None:
    expected = model.encode_image(pictures)
    check(expected, len(pictures))
    paths = [tmp_path / f"{n}.png" for n in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(picture)
    objects = [Image.open(io.BytesIO(picture)) for picture in pictures]
    for given in (paths, [str(path) for path in paths], objects, tuple(pictures)):
        np.testing.assert_allclose(model.encode_image(given), expected, atol=1e-5)
    np.testing.assert_allclose(model.encode_image(pictures[2:3]), expected[2:3], atol=1e-5)


def test_nothing_becomes_nothing(model: Model) -> None:
    assert model.encode_text([]).shape == model.encode_image([]).shape == (0, 64)


def test_one_where_a_list_is_meant_is_a_type_error(model: Model, pictures: list[bytes], tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="list of captions, not one string"):
        model.encode_text("mbwa")
    for one in (pictures[0], str(tmp_path), tmp_path, Image.new("RGB", (9, 9))):
        with pytest.raises(TypeError, match="list of pictures, not one"):
            model.encode_image(one)  # type: ignore[arg-type]


def test_a_picture_that_cannot_be_decoded_is_a_picture_error(model: Model, pictures: list[bytes]) -> None:
    with pytest.raises(PictureError, match="damaged or cut short"):
        model.encode_image([pictures[0], pictures[1][:200]])


def test_bf16_embeddings_are_close_to_those_of_fp32(model: Model, real: Path) -> None:
    exact, fast = model.encode_text(CAPTIONS), mlilt.load(real, precision="bf16").encode_text(CAPTIONS)
    check(fast, len(CAPTIONS))
    assert (exact * fast).sum(1).min() > 0.99
    assert not np.array_equal(exact, fast)


def test_the_loaded_model_trains_nothing_and_stays_in_eval_mode(model: Model) -> None:
    assert not any(p.requires_grad for p in model.dual.parameters())
    assert not any(module.training for module in model.dual.modules())


def test_loading_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        mlilt.load(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_loading_onto_a_gpu_that_is_not_there_is_an_error(real: Path) -> None:
    with pytest.raises(UserError, match="no CUDA device"):
        mlilt.load(real, device="cuda")


def test_a_query_is_the_same_text_compiled_for_least_delay(real: Path) -> None:
    run = mlilt.load(real, offline=True)
    texts = ["mbwa", "nyumba nyeupe yenye paa jekundu kando ya bahari", "ዝሆን"]
    for text, expected in zip(texts, run.encode_text(texts), strict=True):
        assert float(run.encode_query(text) @ expected) >= 0.9995
