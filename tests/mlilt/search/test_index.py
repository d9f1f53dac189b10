"""An open index, asked in every way."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mlilt
from data_prep.errors import UserError
from data_prep.pictures import PictureError
from data_prep.pipeline import Prepared
from mlilt import search
from mlilt.search import SearchIndex


@pytest.fixture(scope="module")
def index(of_data: Path) -> SearchIndex:
    return search.open_index(of_data)


def test_a_text_finds_what_comparing_with_all_pictures_finds(
    index: SearchIndex, shown: dict[str, bytes], real: Path
) -> None:
    model = mlilt.load(real)
    ids = list(shown)
    pictures = np.stack([index.vector(image_id) for image_id in ids])
    # Their features come from the shared cache, where they are in the run's precision.
    assert (np.sum(pictures * model.encode_image(list(shown.values())), axis=1) > 0.97).all()
    for query in ("mbwa", "uso wenye tabasamu", "bendera ya Kenya"):
        scores = model.encode_text([query])[0] @ pictures.T
        hits = index.search(query, top=5)
        assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
        for hit, best in zip(hits, np.sort(scores)[::-1], strict=False):
            assert hit.score == pytest.approx(scores[ids.index(hit.image_id)], abs=1e-3)
            assert hit.score == pytest.approx(best, abs=1e-3)
            assert hit.names == (f"test/{hit.image_id}",)
            assert hit.credit
        assert hits == index.search(query, top=5, exact=True)


def test_a_picture_finds_itself_and_a_vector_what_it_is_of(index: SearchIndex, shown: dict[str, bytes]) -> None:
    for image_id, picture in list(shown.items())[:5]:
        for given in (picture, Image.open(io.BytesIO(picture))):
            first = index.search_image(given, top=1)[0]
            assert first.image_id == image_id
            assert first.score > 0.99
        assert index.nearest(index.vector(image_id), 1)[0].image_id == image_id
        assert index.picture(image_id) == picture


def test_the_same_letters_written_otherwise_are_the_same_query(index: SearchIndex) -> None:
    assert index.search("n\u0303ame") == index.search("ñame") == index.search("  ñame\n")


def test_no_query_is_told(index: SearchIndex) -> None:
    for query in ("", "  \n"):
        with pytest.raises(UserError, match="The query is empty"):
            index.search(query)
    with pytest.raises(PictureError):
        index.search_image(b"none")
    for call in (index.picture, index.vector):
        with pytest.raises(KeyError):
            call("0" * 16)


def test_asking_for_more_than_there_is_gives_all(index: SearchIndex, shown: dict[str, bytes]) -> None:
    assert {hit.image_id for hit in index.search("mbwa", top=10_000)} == shown.keys()


def test_index_pictures_and_run_can_be_moved_together_or_the_run_named(real: Path, files: Path, tmp_path: Path) -> None:
    here = tmp_path / "project"
    here.mkdir()
    shutil.copytree(real, here / "run")
    shutil.move(files, here / "pictures")
    search.build(here / "run", here / "pictures", here / "index", progress=False)
    there = tmp_path / "elsewhere"
    here.rename(there)
    moved = search.open_index(there / "index")
    [hit] = moved.search("mbwa", top=1)
    path = moved.path(hit)
    assert path is not None
    assert moved.picture(hit.image_id) == path.read_bytes()
    (there / "run").rename(there / "renamed")
    with pytest.raises(UserError, match="holds no run"):
        search.open_index(there / "index").search("mbwa")
    assert search.open_index(there / "index", run=there / "renamed").search("mbwa", top=1) == [hit]
    path.unlink()
    with pytest.raises(PictureError, match="cannot be read"):
        search.open_index(there / "index").picture(hit.image_id)


def test_a_file_that_was_changed_since_is_not_taken_for_what_it_was(real: Path, files: Path, tmp_path: Path) -> None:
    search.build(real, files, tmp_path / "index", progress=False)
    index = search.open_index(tmp_path / "index")
    [hit] = index.search_image(files / "0.png", top=1)
    assert hit.image_id in index
    assert "0" * 16 not in index
    (files / "0.png").write_bytes((files / "2.png").read_bytes())
    with pytest.raises(PictureError, match="holds another picture now: bring the index up to date"):
        index.picture(hit.image_id)
    shutil.rmtree(files)
    with pytest.raises(PictureError):
        search.open_index(tmp_path / "index").picture(hit.image_id)


def test_no_index_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no index. `mlilt index RUN PICTURES` makes one"):
        search.open_index(tmp_path)


def test_what_brings_an_index_up_to_date_is_said_whole(of_data: Path, small_sw: Prepared, tmp_path: Path) -> None:
    shutil.copytree(of_data, tmp_path / "index")
    about = json.loads((tmp_path / "index" / "index.json").read_text())
    run = (of_data / about["run"]).resolve()
    about |= {"run": str(run), "pictures": str(small_sw.folder.resolve()), "weights_sha256": "0"}
    (tmp_path / "index" / "index.json").write_text(json.dumps(about))
    index = search.open_index(tmp_path / "index")
    with pytest.raises(UserError) as told:
        index.search("mbwa")
    said = str(told.value).split("`")[1].split()
    assert said == [
        "mlilt",
        "index",
        *map(str, (index.run, index.pictures)),
        "--split",
        "test",
        "--out",
        str(index.folder),
    ]
