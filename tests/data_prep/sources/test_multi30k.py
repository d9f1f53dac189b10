from __future__ import annotations

import gzip

import pytest

from data_prep.errors import UserError
from data_prep.pictures import read
from data_prep.records import Cell
from data_prep.sources.multi30k import SOURCE
from tests.data_prep.sources.walking import walk

TASK = "data/task1"


def lines(*texts: str) -> bytes:
    return gzip.compress("".join(f"{text}\n" for text in texts).encode())


FILES = {
    f"{TASK}/image_splits/train.txt": "1000092795.jpg\n10002456.jpg\n",
    f"{TASK}/image_splits/val.txt": "1018148011.jpg\n",
    f"{TASK}/image_splits/test_2016_flickr.txt": "1007129816.jpg\n",
    f"{TASK}/image_splits/test_2017_mscoco.txt": "COCO_val2014_000000002613.jpg#388973\n",
    f"{TASK}/raw/train.en.gz": lines("Two men.", "A dog."),
    f"{TASK}/raw/train.cs.gz": lines("Dva muži.", "Pes."),
    f"{TASK}/raw/train.de.gz": lines("Zwei Männer.", "Ein Hund."),
    f"{TASK}/raw/val.en.gz": lines("A group."),
    f"{TASK}/raw/val.cs.gz": lines("Skupina."),
    f"{TASK}/raw/val.de.gz": lines("Eine Gruppe."),
    f"{TASK}/raw/test_2016_flickr.en": b"A hat.\n",
    f"{TASK}/raw/test_2016_flickr.cs": "Klobouk.\n",
    f"{TASK}/raw/test_2016_flickr.de": "Ein Hut.\n",
    f"{TASK}/raw/test_2017_mscoco.en.gz": lines("A train."),
    f"{TASK}/raw/test_2017_mscoco.de.gz": lines("Ein Zug."),
    "flickr30k-images/1000092795.jpg": b"men",
    "flickr30k-images/1018148011.jpg": b"group",
    "flickr30k-images/1007129816.jpg": b"hat",
    "val2014/COCO_val2014_000000002613.jpg": b"train",
}


def test_the_repositorys_files_with_flickr30ks_pictures(lay):
    root = lay(FILES)
    examples, drops = walk(SOURCE, "de", root)
    assert [(e.captions, e.captions_en, e.split) for e in examples] == [
        (("Zwei Männer.",), ("Two men.",), "train"),
        (("Eine Gruppe.",), ("A group.",), "validation"),
        (("Ein Hut.",), ("A hat.",), "test"),
        (("Ein Zug.",), ("A train.",), "test"),
    ]
    assert [e.concept for e in examples][::3] == ["multi30k-1000092795", "multi30k-COCO_val2014_000000002613"]
    assert examples[0].picture == root / "flickr30k-images" / "1000092795.jpg"
    assert examples[3].picture == root / "val2014" / "COCO_val2014_000000002613.jpg"
    assert [e.licence.split("+")[0] for e in examples][2:] == ["LicenseRef-Flickr30k-images", "LicenseRef-COCO-images"]
    assert drops == [("10002456.jpg", "the picture is not in the folder")]


def test_czech_has_no_captions_for_the_test_sets_of_2017(lay):
    assert [e.captions[0] for e in walk(SOURCE, "cs", lay(FILES))[0]] == ["Dva muži.", "Skupina.", "Klobouk."]


def test_captions_that_do_not_fit_the_pictures_are_never_paired(lay):
    root = lay({**FILES, f"{TASK}/raw/train.de.gz": lines("Zwei Männer.")})
    with pytest.raises(UserError, match=r"train\.txt has 2 lines and .*train\.de\.gz has 1"):
        walk(SOURCE, "de", root)
    root = lay({**FILES, f"{TASK}/raw/train.en.gz": lines("Two men.")})
    assert [e.captions_en for e in walk(SOURCE, "de", root)[0] if e.split == "train"] == [()]


def test_a_language_without_files_is_answered_with_the_layout(lay):
    with pytest.raises(
        UserError, match=r"multi30k: there is no data/task1/raw/train\.fr\.gz in .*It reads data/task1/r"
    ):
        walk(SOURCE, "fr", lay(FILES))


def test_the_hubs_rows_are_numbered_through_their_files(hub_table, make_picture):
    def table(name: str, german: list[str], colours: list[str]):
        texts = {"en": [f"en {g}" for g in german], "cs": german, "de": german, "fr": german}
        return hub_table(f"data/{name}.parquet", {**texts, "image": [make_picture(c) for c in colours]})

    table("train-00000-of-00002", ["eins", "zwei", "drei"], ["red", "green", "blue"])
    table("train-00001-of-00002", ["vier"], ["black"])
    table("validation-00000-of-00001", ["fünf"], ["white"])
    root = table("test-00000-of-00001", ["sechs"], ["grey"])
    examples, drops = walk(SOURCE, "de", root)
    assert drops == []
    assert [(e.concept, e.captions[0], e.split) for e in examples] == [
        ("multi30k-train-0", "eins", "train"),
        ("multi30k-train-1", "zwei", "train"),
        ("multi30k-train-2", "drei", "train"),
        ("multi30k-train-3", "vier", "train"),
        ("multi30k-validation-0", "fünf", "validation"),
        ("multi30k-test-0", "sechs", "test"),
    ]
    assert examples[3].captions_en == ("en vier",)
    assert examples[3].picture == Cell(root / "data" / "train-00001-of-00002.parquet", 0, "image")
    assert read(examples[3].picture) == make_picture("black")
