from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.errors import UserError
from data_prep.records import Example
from data_prep.sources.laion_coco_nllb import SOURCE
from tests.data_prep.sources.walking import walk


def read(root: Path, locale: str = "swh_Latn") -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, root)


def write(path: Path, *rows: tuple[str | None, str, str, list[list[str]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list] = {name: [row[n] for row in rows] for n, name in enumerate(COLUMNS[:4])}
    pq.write_table(pa.table(columns | {"score": [5.0] * len(rows)}), path)


COLUMNS = ("id", "url", "eng_caption", "captions", "score")
A = ("a-1", "https://example.org/a", "a dog", [["zul_Latn", "inja"], ["swh_Latn", "mbwa"]])
B = ("b-2", "https://example.org/b", "a cat", [["zul_Latn", "ikati"]])
C = ("c-3", "https://example.org/c", "a cup", [["swh_Latn", "kikombe"], ["swh_Latn", "tena"]])


@pytest.fixture
def converted(tmp_path):
    """As the Hub converts it: default/SPLIT/NNNN.parquet."""
    write(tmp_path / "default/train/0000.parquet", A, B)
    write(tmp_path / "default/test/0000.parquet", C)
    return tmp_path


def test_pictures_by_id_have_the_languages_caption_and_say_what_made_it(converted, make_picture):
    (converted / "images").mkdir()
    (converted / "test_images").mkdir()
    for name in ("images/a-1", "images/b-2", "test_images/c-3"):
        (converted / f"{name}.jpg").write_bytes(make_picture(kind="JPEG"))
    examples, drops = read(converted)
    assert drops == []
    assert [(e.concept, e.split, e.captions, e.captions_en, e.picture.name) for e in examples] == [
        ("laion-coco-nllb-a-1", "train", ("mbwa",), ("a dog",), "a-1.jpg"),
        ("laion-coco-nllb-b-2", "train", (), ("a cat",), "b-2.jpg"),
        ("laion-coco-nllb-c-3", "test", ("kikombe", "tena"), ("a cup",), "c-3.jpg"),
    ]
    assert {e.origin for e in examples} == {"facebook/nllb-200-3.3B"}
    assert examples[0].attribution.endswith("https://example.org/a")
    english, _ = read(converted, "eng_Latn")
    assert [(e.captions, e.origin) for e in english] == [(e.captions_en, "BLIP") for e in examples]


def test_pictures_fetched_by_img2dataset_are_found_by_their_address(tmp_path, make_picture):
    """Its output as files: a table and a folder a shard; what could not be fetched has another status and no file."""
    write(tmp_path / "data/train-00000-of-00001.parquet", A, B, C)
    for shard, url, status in (
        ("00000", A[1], "success"),
        ("00001", B[1], "failed_to_download"),
        ("00001", C[1], "success"),
    ):
        folder = tmp_path / "images" / shard
        folder.mkdir(parents=True, exist_ok=True)
        table = folder.with_suffix(".parquet")
        old = pq.read_table(table).to_pylist() if table.exists() else []
        key = f"{shard}{len(old):04}"
        row = {"caption": None, "url": url, "key": key, "status": status, "error_message": None, "width": 64}
        pq.write_table(pa.Table.from_pylist([*old, row]), table)
        if status == "success":
            (folder / f"{key}.jpg").write_bytes(make_picture(kind="JPEG"))
    examples, drops = read(tmp_path)
    assert [(e.captions, e.picture.relative_to(tmp_path).as_posix(), e.split) for e in examples] == [
        (("mbwa",), "images/00000/000000000.jpg", "train"),
        (("kikombe", "tena"), "images/00001/000010001.jpg", "train"),
    ]
    assert drops == [("b-2", "the picture is not in the folder")]


def test_what_is_damaged_is_named_and_the_rest_goes_on(converted, make_picture):
    (converted / "a-1.jpg").write_bytes(make_picture(kind="JPEG"))
    write(converted / "default/train/0001.parquet", (None, *A[1:]))
    path = converted / "default/test/0000.parquet"
    path.write_bytes(path.read_bytes()[:40])
    examples, drops = read(converted)
    assert [e.concept for e in examples] == ["laion-coco-nllb-a-1"]
    assert drops == [
        ("b-2", "the picture is not in the folder"),
        ("0001.parquet:0", "the row has no id"),
        ("0000.parquet", "the file is damaged or cut short"),
    ]


def test_a_wrong_folder_is_answered_with_the_layout_and_how_pictures_are_had(tmp_path, converted):
    with pytest.raises(UserError, match=r"there are no pictures in .*ID\.jpg .*what img2dataset writes as files"):
        read(converted)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"there is no default/train/\*\.parquet .*visheratin/laion-coco-nllb"):
        read(tmp_path / "empty")
    with pytest.raises(UserError, match="has no language 'sw'"):
        read(converted, "sw")
    assert "img2dataset" in SOURCE.about.pictures
