from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import pictures
from data_prep.errors import UserError
from data_prep.records import Cell, Example
from data_prep.sources.xflickrco import SOURCE
from tests.data_prep.sources.walking import walk

FLICKR, COCO = "LicenseRef-Flickr30k-images+CC-BY-SA-4.0", "LicenseRef-COCO-images+CC-BY-SA-4.0"


def read(root: Path, locale: str = "id") -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, root)


def lines(path: Path, *items: dict | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((i if isinstance(i, str) else json.dumps(i)) + "\n" for i in items), "utf-8")


def line(key: str | int, *sentences: str) -> dict:
    name = f"{key}.jpg" if isinstance(key, str) else f"COCO_val2014_{key:012}.jpg"
    return {"sentences": list(sentences), "id": key, "img_path": name}


@pytest.fixture
def upstream(tmp_path, make_picture):
    """IGLUE's folder datasets/ with pictures beside it. Ids are texts for Flickr30k, numbers for COCO."""
    annotations = tmp_path / "xFlickrCO" / "annotations"
    lines(annotations / "en/test.jsonl", line("1007", "A hat."), line(131089, "A bat."))
    lines(annotations / "id/test.jsonl", line("1007", "Topi."), line(131089, "Tongkat."))
    lines(annotations / "id/train_1.jsonl", line("22", "Anjing."))
    lines(annotations / "id/train_100.jsonl", line("33", "Kucing."), line("22", "Anjing."))
    lines(annotations / "id/train_100x5.jsonl", line("22", "Anjing.", "Anjing lari."))
    for name in ("flickr30k-images/1007", "flickr30k-images/22", "flickr30k-images/33"):
        path = tmp_path / f"{name}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(make_picture(kind="JPEG"))
    (tmp_path / "coco" / "val2014").mkdir(parents=True)
    (tmp_path / "coco/val2014/COCO_val2014_000000131089.jpg").write_bytes(make_picture(kind="JPEG"))
    return tmp_path


def test_test_and_few_shot_sets_are_read_with_pictures_of_both_data_sets(upstream):
    examples, drops = read(upstream)
    assert drops == []
    assert [(e.concept, e.split, e.captions, e.captions_en, e.licence) for e in examples] == [
        ("xflickrco-1007", "test", ("Topi.",), ("A hat.",), FLICKR),
        ("xflickrco-131089", "test", ("Tongkat.",), ("A bat.",), COCO),
        ("xflickrco-22", "train", ("Anjing.", "Anjing lari."), (), FLICKR),
        ("xflickrco-33", "train", ("Kucing.",), (), FLICKR),
    ]
    assert [e.picture.relative_to(upstream).as_posix() for e in examples[:2]] == [
        "flickr30k-images/1007.jpg",
        "coco/val2014/COCO_val2014_000000131089.jpg",
    ]


def test_english_has_a_test_set_alone(upstream):
    examples, _ = read(upstream, "en")
    assert [(e.split, e.captions, e.captions_en) for e in examples] == [
        ("test", ("A hat.",), ("A hat.",)),
        ("test", ("A bat.",), ("A bat.",)),
    ]


def test_what_is_damaged_or_missing_is_named(upstream):
    path = upstream / "xFlickrCO/annotations/id/test.jsonl"
    lines(path, '{"sentences": ["cut', {"id": "5"}, line("1007", "Topi."), line("44", "Hilang."))
    examples, drops = read(upstream)
    assert [e.concept for e in examples if e.split == "test"] == ["xflickrco-1007"]
    assert drops == [
        ("test.jsonl:1", "the line is damaged or incomplete"),
        ("test.jsonl:2", "the line is damaged or incomplete"),
        ("44", "the picture is not in the folder"),
    ]


def test_the_hubs_tables_give_the_same_concepts(tmp_path, upstream, make_picture):
    (tmp_path / "hub" / "data").mkdir(parents=True)
    for locale, texts in (("id", ["Topi.", "Tongkat."]), ("en", ["A hat.", "A bat."])):
        table = {
            "id": ["1007", "131089"],
            "sentences": [[text] for text in texts],
            "image": [{"bytes": make_picture(colour), "path": None} for colour in ("red", "blue")],
        }
        pq.write_table(pa.table(table), tmp_path / f"hub/data/{locale}-00000-of-00001.parquet")
    examples, drops = read(tmp_path / "hub")
    assert drops == []
    of_upstream = [e for e in read(upstream)[0] if e.split == "test"]
    for hub, own in zip(examples, of_upstream, strict=True):
        assert (hub.concept, hub.captions, hub.captions_en) == (own.concept, own.captions, own.captions_en)
    path = tmp_path / "hub/data/id-00000-of-00001.parquet"
    assert examples[1].picture == Cell(path, 1, "image")
    assert pictures.read(examples[1].picture) == make_picture("blue")


def test_a_wrong_folder_or_language_is_answered_with_the_layout(tmp_path, upstream):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"there is no id/test\.jsonl.*xFlickrCO/annotations/LANGUAGE/test\.jsonl"):
        read(tmp_path / "empty")
    with pytest.raises(UserError, match=r"xflickrco has no language 'sw'\. It has de, en, es, id"):
        read(upstream, "sw")
