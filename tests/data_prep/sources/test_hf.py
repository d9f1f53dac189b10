from __future__ import annotations

import json
import struct
from pathlib import Path

import datasets
import pyarrow as pa
import pytest

from data_prep import pictures
from data_prep.errors import UserError
from data_prep.records import Cell, Example
from data_prep.sources.hf import SOURCE
from tests.data_prep.sources.walking import walk

FEATURES = datasets.Features(
    {
        "image": datasets.Image(),
        "captions": datasets.List(datasets.Value("string")),
        "image_id": datasets.Value("string"),
    }
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library's cache in a folder of its own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def rows(make_picture):
    def make(*names: str) -> datasets.Dataset:
        columns = {
            "image": [{"bytes": make_picture(f"#{ord(n[0]):02x}4080"), "path": "image.png"} for n in names],
            "captions": [[f"Mbwa {n}", f"Mbwa mkubwa {n}"] for n in names],
            "image_id": list(names),
        }
        return datasets.Dataset.from_dict(columns, features=FEATURES)

    return make


def read(root: Path, locale: str = "sw", **columns: str) -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, root, **columns)


def test_parquet_as_the_library_publishes_it_is_read_by_cells(tmp_path, rows):
    root = tmp_path / "repo"
    sets = {"train": rows("a", "b", "c"), "validation": rows("d"), "test": rows("e", "f")}
    for split, data in sets.items():
        data.to_parquet(str(root / "data" / f"{split}-00000-of-00001.parquet"))
    examples, drops = read(root)
    assert drops == []
    expected = []
    for split, data in datasets.load_dataset(str(root)).items():
        for n, row in enumerate(data.cast_column("image", datasets.Image(decode=False))):
            where = Cell(root / "data" / f"{split}-00000-of-00001.parquet", n, "image")
            expected.append(
                (split, where, row["image"]["bytes"], tuple(row["captions"]), f"hf-{split}/{row['image_id']}")
            )
    assert len(expected) == 6
    assert [(e.split, e.picture, pictures.read(e.picture), e.captions, e.concept) for e in examples] == expected
    assert {(e.source, e.attribution, e.licence) for e in examples} == {("hf", "repo", "LicenseRef-own")}


def test_the_hubs_cache_of_links_is_read_and_credits_the_data_set(tmp_path, rows, make_picture):
    blobs = tmp_path / "datasets--owner--name" / "blobs"
    root = blobs.parent / "snapshots" / ("0123456789" * 4)
    blobs.mkdir(parents=True)
    (root / "data").mkdir(parents=True)
    rows("a", "b").to_parquet(str(blobs / "abc"))
    (root / "data" / "train-00000-of-00001.parquet").symlink_to(blobs / "abc")
    first, second = read(root)[0]
    assert (first.concept, first.attribution) == ("hf-train/a", "owner/name")
    assert pictures.read(second.picture) == make_picture(f"#{ord('b'):02x}4080")
    (root / "data" / "train-00000-of-00001.parquet").unlink()
    (blobs / "def").write_bytes(make_picture())
    (root / "1.png").symlink_to(blobs / "def")
    (root / "metadata.csv").write_text("file_name,text\n1.png,Mbwa\n")
    ((dog,), drops) = read(root)
    assert (dog.concept, dog.captions, pictures.read(dog.picture)) == ("hf-1", ("Mbwa",), make_picture())
    assert drops == []


def test_ids_that_each_split_counts_anew_are_different_pictures(tmp_path, rows):
    root = tmp_path / "repo"
    for split in ("train", "test"):
        rows("0", "0", "1").to_parquet(str(root / "data" / f"{split}-00000-of-00001.parquet"))
    assert [(e.concept, e.split, e.picture.row) for e in read(root)[0]] == [
        ("hf-train/0", "train", 0),
        ("hf-train/1", "train", 2),
        ("hf-test/0", "test", 0),
        ("hf-test/1", "test", 2),
    ]


def test_a_data_set_with_train_alone_leaves_the_split_open(tmp_path, rows):
    rows("a", "b").to_parquet(str(tmp_path / "repo" / "data" / "train-00000-of-00001.parquet"))
    assert [e.split for e in read(tmp_path / "repo")[0]] == ["", ""]


def test_where_splits_are_languages_the_languages_own_is_read(tmp_path, rows):
    root = tmp_path / "repo"
    for split, names in {"sw": "ab", "en": "ab", "te": "c"}.items():
        rows(*names).to_parquet(str(root / "data" / f"{split}-00000-of-00001.parquet"))
    assert [(e.concept, e.split) for e in read(root)[0]] == [("hf-a", ""), ("hf-b", "")]
    assert [e.concept for e in read(root, "te")[0]] == ["hf-c"]


def test_configurations_are_listed_and_one_is_chosen(tmp_path, rows):
    root = tmp_path / "repo"
    for config, names in {"fra": "a", "swh": "b"}.items():
        for split in ("train", "test"):
            rows(f"{names}-{split}").to_parquet(str(root / config / f"{split}.parquet"))
    configs = [
        {"config_name": c, "data_files": [{"split": s, "path": f"{c}/{s}.parquet"} for s in ("train", "test")]}
        for c in ("fra", "swh")
    ]
    (root / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")
    with pytest.raises(UserError, match=r"2 configurations: fra, swh\. Choose one: --column config=swh"):
        read(root)
    assert [(e.concept, e.split) for e in read(root, config="swh")[0]] == [
        ("hf-train/b-train", "train"),
        ("hf-test/b-test", "test"),
    ]
    with pytest.raises(UserError, match=r"no configuration of .* named 'swa'\. Did you mean swh"):
        read(root, config="swa")


def test_a_folder_of_pictures_is_streamed_and_its_files_are_named(tmp_path, make_picture):
    root = tmp_path / "repo"
    for split, category in (("train", "dog"), ("train", "cat"), ("test", "dog")):
        path = root / split / category / f"{split}-{category}.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(make_picture())
    examples, _ = read(root, caption="")
    assert {(e.picture, e.concept, e.split, e.category) for e in examples} == {
        (root / "train" / "dog" / "train-dog.png", "hf-train/dog/train-dog", "train", "dog"),
        (root / "train" / "cat" / "train-cat.png", "hf-train/cat/train-cat", "train", "cat"),
        (root / "test" / "dog" / "test-dog.png", "hf-test/dog/test-dog", "test", "dog"),
    }


def test_what_is_not_parquet_is_streamed_as_bytes(tmp_path, rows):
    root = tmp_path / "saved"
    sets = {"train": rows("a", "b", "b"), "test": rows("c")}
    datasets.DatasetDict(sets).save_to_disk(str(root))
    files = {
        name: row["image"]["bytes"]
        for data in sets.values()
        for name, row in zip(data["image_id"], data.cast_column("image", datasets.Image(decode=False)), strict=True)
    }
    examples, _ = read(root)
    assert [(e.picture, e.concept, e.split) for e in examples] == [
        (files["a"], "hf-train/a", "train"),
        (files["b"], "hf-train/b", "train"),
        (files["c"], "hf-test/c", "test"),
    ]


def test_rows_that_name_pictures_find_them_in_the_repository(tmp_path, make_picture):
    root = tmp_path / "repo"
    (root / "img").mkdir(parents=True)
    (root / "img" / "a.png").write_bytes(make_picture())
    (root / "captions.csv").write_text("image,akole\nimg/a.png,ajá\nimg/a.png,ajá ńlá\n../../x.png,ológbò\n")
    examples, drops = read(root, "yo", caption="akole")
    assert [(e.picture, e.captions) for e in examples] == [(root / "img" / "a.png", ("ajá", "ajá ńlá"))]
    assert drops == [("../../x.png", "the picture's path leads out of the folder")]


def test_what_the_library_cannot_read_is_an_error_that_says_what_is_needed(tmp_path):
    with pytest.raises(UserError, match=r"nowhere is not there\. hf takes the id of a data set on the Hub"):
        read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"The library datasets cannot read .*empty"):
        read(tmp_path / "empty")


def test_a_damaged_length_asks_for_more_memory_than_any_machine_has(tmp_path, rows):
    root = tmp_path / "saved"
    datasets.DatasetDict({"train": rows("a", "b")}).save_to_disk(str(root))
    (shard,) = (root / "train").glob("*.arrow")
    data = shard.read_bytes()
    _, batch, *_ = pa.ipc.MessageReader.open_stream(data)
    length = struct.pack("<q", batch.body.size)
    assert data.count(length) == 1
    shard.write_bytes(data.replace(length, struct.pack("<q", 1 << 62)))
    with pytest.raises(UserError, match=r"cannot read the split train .*more memory than there is"):
        read(root)
