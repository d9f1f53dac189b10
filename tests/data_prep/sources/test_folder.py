from __future__ import annotations

import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.errors import UserError
from data_prep.records import Example
from data_prep.sources.folder import SOURCE
from tests.data_prep.sources.walking import walk


@pytest.fixture
def put(tmp_path: Path, make_picture):
    """Writes files below a folder `photos`: pictures by their names. Returns the folder."""
    colours = iter(range(0x101010, 0xFFFFFF, 0x030507))

    def write(*names: str) -> Path:
        root = tmp_path / "photos"
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(make_picture(f"#{next(colours):06x}"))
        return root

    return write


def read(root: Path, locale: str = "sw", **columns: str) -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, root, **columns)


def by_the_hub(root: Path, cache: Path) -> dict[str, tuple[str, str]]:
    """Split and label of each picture, as the library's own ImageFolder reads the folder."""
    found = {}
    data = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(cache))
    for split, rows in data.items():
        labels = rows.features.get("label")
        for row in rows.cast_column("image", datasets.Image(decode=False)):
            label = labels.int2str(row["label"]) if labels and row["label"] is not None else ""
            found[Path(row["image"]["path"]).relative_to(root).as_posix()] = (split, label)
    return found


def test_a_text_beside_a_picture_holds_its_captions(put):
    root = put("a/dog.JPG", "a/cat.png", "bird.webp", ".hidden/x.png", "__MACOSX/y.png")
    (root / "a" / "dog.txt").write_bytes("\ufeff\r\n Mbwa mkubwa. \r\n\r\nMbwa.\r\nMbwa.\r\n".encode())
    (root / "a" / "lost.txt").write_text("Kupotea.")
    (root / "bird.txt").write_bytes(b"Caf\xe9")
    (root / "phone.HEIC").write_bytes(b"x")
    examples, drops = read(root)
    assert examples == [
        Example(root / "a" / "cat.png", (), "folder-a/cat", "folder", "LicenseRef-own", "photos"),
        Example(
            root / "a" / "dog.JPG", ("Mbwa mkubwa.", "Mbwa."), "folder-a/dog", "folder", "LicenseRef-own", "photos"
        ),
    ]
    assert drops == [
        ("phone.HEIC", "pictures of this kind cannot be read: save it as JPEG or PNG"),
        ("bird.webp", "the caption is not UTF-8"),
        ("a/lost.txt", "there is no picture beside the caption"),
    ]


@pytest.mark.parametrize(
    ("names", "categories"),
    [
        (["train/dog/1.png", "train/cat/2.png", "test/dog/3.png", "validation/cat/4.png"], True),
        # Where there are no others, the library takes the splits' own folders for categories too.
        (["training/1.png", "dev/2.png", "evaluation/3.png"], False),
        (["data/train-0/1.png", "data/my_test/2.png", "data/val.2/3.png"], False),
        (["dog/1.png", "cat/2.png"], True),
        (["images/1.png", "images/2.png"], True),
        (["1.png", "2.png"], True),
    ],
)
def test_splits_and_categories_are_those_of_the_hubs_imagefolder(put, tmp_path, names, categories):
    root = put(*names)
    ours = {e.picture.relative_to(root).as_posix(): (e.split or "train", e.category) for e in read(root)[0]}
    theirs = by_the_hub(root, tmp_path / "cache")
    if not categories:
        theirs = {name: (split, "") for name, (split, _) in theirs.items()}
    assert ours == theirs


def test_a_folder_that_has_train_alone_leaves_the_split_open(put):
    root = put("train/1.png", "train/2.png")
    assert [e.split for e in read(root)[0]] == ["", ""]


def test_pictures_outside_the_splits_are_kept_with_their_split_left_open(put):
    root = put("test/1.png", "contest/2.png", "3.png")
    assert {e.concept: e.split for e in read(root)[0]} == {
        "folder-3": "",
        "folder-contest/2": "",
        "folder-test/1": "test",
    }


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_metadata_is_read_as_the_hub_reads_it(put, tmp_path, kind):
    root = put("train/1.png", "train/deep/2.png", "test/3.png")
    rows = {
        "train": [("1.png", "Mbwa"), ("deep/2.png", "Paka")],
        "test": [("3.png", "Ndege")],
    }
    for split, lines in rows.items():
        path = root / split / f"metadata.{kind}"
        if kind == "csv":
            path.write_text("file_name,text\n" + "".join(f"{name},{caption}\n" for name, caption in lines))
        elif kind == "jsonl":
            path.write_text("\n".join(json.dumps({"file_name": name, "text": text}) for name, text in lines))
        else:
            pq.write_table(pa.table({"file_name": [n for n, _ in lines], "text": [t for _, t in lines]}), path)
    data = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(tmp_path / "cache"))
    expected = {
        (split, Path(row["image"]["path"]).relative_to(root).as_posix(), row["text"])
        for split, rows in data.items()
        for row in rows.cast_column("image", datasets.Image(decode=False))
    }
    examples, drops = read(root)
    assert {(e.split, e.picture.relative_to(root).as_posix(), *e.captions) for e in examples} == expected
    assert [e.concept for e in examples] == ["folder-test/3", "folder-train/1", "folder-train/deep/2"]
    assert drops == []


def test_metadata_at_the_root_may_name_split_folders_and_any_column(put):
    root = put("train/1.png", "test/2.png")
    (root / "metadata.csv").write_text("photo_file_name,akole\ntrain/1.png,ajá\ntest/2.png,ológbò\n")
    with pytest.raises(UserError, match=r"metadata\.csv: which column holds the caption\?.*--column caption=akole"):
        read(root, "yo")
    examples, _ = read(root, "yo", caption="akole")
    assert [(e.captions, e.split, e.category) for e in examples] == [(("ajá",), "train", ""), (("ológbò",), "test", "")]


def test_metadata_never_leads_out_of_the_folder(put, tmp_path, make_picture):
    root = put("1.png", "2.png", "3.png")
    (tmp_path / "secret.png").write_bytes(make_picture())
    names = ["1.png", "../secret.png", str(tmp_path / "secret.png"), f"file://{tmp_path}/secret.png", "a/../2.png"]
    (root / "metadata.jsonl").write_text("\n".join(json.dumps({"file_name": n, "text": "x"}) for n in names))
    examples, drops = read(root)
    assert [e.concept for e in examples] == ["folder-1", "folder-2"]
    assert [reason for _, reason in drops] == [
        "the picture's path leads out of the folder",
        "the picture's path leads out of the folder",
        "the picture is a web address: download it first",
    ]


def test_a_wrong_folder_is_an_error_that_shows_the_layout(put, tmp_path):
    with pytest.raises(UserError, match=r"nowhere is not there\. folder takes a folder with pictures and, beside each"):
        read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no picture in .*empty\. folder takes a folder with .*metadata\.jsonl"):
        read(tmp_path / "empty")
    root = put("1.png")
    (root / "metadata.csv").write_text("file_name,text\n1.png,Mbwa\n")
    (root / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "Mbwa"}\n')
    with pytest.raises(UserError, match=r"both metadata\.csv and metadata\.jsonl\. Keep those of one kind"):
        read(root)
