from __future__ import annotations

import io
import json
import tarfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import braceexpand
import pytest
import webdataset

from data_prep import pictures
from data_prep.errors import UserError
from data_prep.records import DropLog, Example, Slice
from data_prep.sources.wds import SOURCE, expand
from tests.data_prep.sources.walking import walk


def write(path: Path, *samples: dict[str, object], **how: object) -> Path:
    """Writes a shard with the real library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(path), **how) as writer:
        for sample in samples:
            writer.write(sample)
    return path


def raw(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def read(root: Path, locale: str = "sw", **columns: str) -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, root, **columns)


def test_samples_are_those_that_the_library_reads(tmp_path, make_picture):
    samples = [
        {"__key__": f"{n:06}", "jpg": make_picture(f"#{n:02x}4080", kind="JPEG"), "txt": f"Mbwa {n}"} for n in range(7)
    ]
    # Long names need further headers, "a.b" is a folder, a picture's name may be in capitals.
    samples[3]["__key__"] = "a.b/" + "x" * 120
    samples[5]["PNG"] = samples[5].pop("jpg")
    write(tmp_path / "shards-000000.tar", *samples[:4], format="PAX_FORMAT")
    write(tmp_path / "shards-000001.tar", *samples[4:])
    pattern = str(tmp_path / "shards-{000000..000001}.tar")
    library = list(webdataset.WebDataset(pattern, shardshuffle=False))
    assert len(library) == 7
    examples, drops = read(Path(pattern))
    assert drops == []
    assert [pictures.read(e.picture) for e in examples] == [s.get("jpg") or s["png"] for s in library]
    assert [e.captions for e in examples] == [(s["txt"].decode(),) for s in library]
    assert [e.concept.split("/", 1)[1] for e in examples] == [s["__key__"] for s in library]
    assert {type(e.picture) for e in examples} == {Slice}
    assert {(e.source, e.licence, e.attribution, e.split) for e in examples} == {
        ("wds", "LicenseRef-own", "shards-{000000..000001}.tar", "")
    }
    assert read(tmp_path)[0] == [replace(e, attribution=tmp_path.name) for e in examples]
    assert read(tmp_path / "shards-*.tar")[0] == [replace(e, attribution="shards-*.tar") for e in examples]


@pytest.mark.parametrize(
    "pattern", ["a.tar", "{000..012}.tar", "{8..11}", "{a,b}/{1..2}-{x,yz}.tar", "{0..2}{7..9}", "{007..012}", "{1..1}"]
)
def test_braces_stand_for_what_they_stand_for_in_the_shell(pattern):
    assert expand(pattern) == list(braceexpand.braceexpand(pattern))


def test_json_is_read_by_the_names_of_its_keys(tmp_path):
    record = {
        "caption": ["Mbwa", "Mbwa mkubwa"],
        "caption_en": "A dog",
        "id": 17,
        "license": "CC BY 4.0",
        "author": "Asha",
        "category": "animals",
        "width": 640,
    }
    samples = [
        {"__key__": "0", "jpg": b"x", "json": record},
        {"__key__": "1", "jpg": b"x", "json": {"text": "Paka"}},
        {"__key__": "2", "jpg": b"x", "json": {"caption": "from JSON"}, "txt": "\nPaka\nPaka mdogo\n"},
        {"__key__": "3", "jpg": b"x", "json": {"caption": "Chien", "lang": "fr"}},
        {"__key__": "4", "jpg": b"x", "json": {"caption": "Dog", "lang": "en"}},
    ]
    examples, drops = read(write(tmp_path / "a.tar", *samples))
    assert [(e.concept, e.captions, e.captions_en) for e in examples] == [
        ("wds-17", ("Mbwa", "Mbwa mkubwa"), ("A dog",)),
        ("wds-a/1", ("Paka",), ()),
        ("wds-a/2", ("Paka", "Paka mdogo"), ()),
        ("wds-a/4", (), ("Dog",)),
    ]
    assert (examples[0].licence, examples[0].attribution, examples[0].category) == ("CC-BY-4.0", "Asha", "animals")
    assert drops == [("1 rows in fr", "rows in another language")]


def test_the_user_may_name_the_parts(tmp_path):
    sample = {"__key__": "0", "jpg": b"whole", "seg.png": b"parts", "yo.txt": "ajá", "en.txt": "A dog", "txt": "?"}
    path = write(tmp_path / "a.tar", sample)
    ((plain,), _) = read(path, "yo")
    assert (pictures.read(plain.picture), plain.captions, plain.captions_en) == (b"whole", ("?",), ())
    ((named,), _) = read(path, "yo", caption="yo.txt", english="en.txt", picture="seg.png")
    assert (pictures.read(named.picture), named.captions, named.captions_en) == (b"parts", ("ajá",), ("A dog",))
    with pytest.raises(UserError, match=r"part of a sample holds the caption\?.* has jpg, seg\.png, en\.txt, txt, yo"):
        read(path, "yo", caption="ha.txt", english="yo.txt", category="en.txt")


def test_what_cannot_be_used_is_dropped_with_its_reason_and_the_rest_goes_on(tmp_path):
    good = ("g.jpg", b"x"), ("g.txt", b"Mbwa")
    path = raw(
        tmp_path / "a.tar",
        *good,
        ("folder.d/README", b"no dot"),
        ("__meta__/x.jpg", b"x"),
        ("a.txt", b"alone"),
        ("b.jpg", b"x"),
        ("b.txt", b"Caf\xe9"),
        ("c.jpg", b"x"),
        ("c.json", b"{"),
        ("d.jpg", b"x"),
        ("d.JPG", b"x"),
        ("e.jpg", b"x"),
        ("e.json", b'{"caption": 3}'),
        ("f.seg.png", b"x"),
        ("f.txt", b"Mbwa"),
        ("./h.jpg", b"x"),
    )
    examples, drops = read(path)
    assert [(e.concept, e.captions) for e in examples] == [("wds-a/g", ("Mbwa",)), ("wds-a/h", ())]
    assert drops == [
        ("a/a", "there is no picture in the sample"),
        ("a/b", "the caption is not UTF-8"),
        ("a/c", "the sample's JSON is damaged"),
        ("a/d", "two samples that follow each other have the same name"),
        ("a/e", "the caption is neither a text nor a list of texts"),
        ("a/f", "there is no picture in the sample"),
    ]


def test_a_damaged_shard_is_named_and_what_is_whole_is_read(tmp_path, make_picture):
    data = make_picture(size=(300, 300))
    samples = [{"__key__": str(n), "png": data, "txt": "Mbwa"} for n in range(3)]
    whole = write(tmp_path / "a.tar", *samples).read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.tar").write_bytes(b"<html>")
    # Records that say they are longer than any file, or than memory.
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        record, said = tarfile.TarInfo("0"), b"9" * 30 + b" path=0.txt\n"
        record.type, record.size = tarfile.XHDTYPE, len(said)
        tar.addfile(record, io.BytesIO(said))
    for name, size in (("e", 2**50), ("f", 2**63)):
        record.size = size
        (tmp_path / f"{name}.tar").write_bytes(record.tobuf(tarfile.GNU_FORMAT))
    examples, drops = read(tmp_path)
    assert [e.concept for e in examples] == ["wds-a/0", "wds-a/1", "wds-a/2", "wds-b/0"]
    assert all(pictures.read(e.picture) == data for e in examples)
    assert drops == [(f"{name}.tar", "the shard is damaged or cut short") for name in "bcdef"]


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train-0.tar", "val-0.tar", "test.tar"], ["test", "train", "validation"]),
        (["train/0.tar", "dev/0.tar"], ["validation", "train"]),
        (["train-0.tar", "train-1.tar"], ["", ""]),
    ],
)
def test_the_shards_names_say_the_split(tmp_path, names, splits):
    for name in names:
        write(tmp_path / name, {"__key__": "0", "jpg": b"x", "txt": "Mbwa"})
    examples, _ = read(tmp_path)
    assert [e.split for e in examples] == splits
    assert len({e.concept for e in examples}) == len(names)


def test_what_are_no_such_shards_is_an_error_that_says_what_to_do(tmp_path):
    sample = {"__key__": "0", "jpg": b"x", "txt": "Mbwa"}
    with pytest.raises(UserError, match=r"There is no shard in .*wds takes tar files of WebDataset.*\.tar"):
        read(tmp_path)
    write(tmp_path / "s-0.tar", sample)
    with pytest.raises(UserError, match=r"2 of 3 shards are not there\. The first: .*s-1\.tar"):
        read(tmp_path / "s-{0..2}.tar")
    with pytest.raises(UserError, match="There is no sample in"):
        read(raw(tmp_path / "empty.tar"))
    write(tmp_path / "packed.tar.gz", sample)
    with pytest.raises(UserError, match=r"packed\.tar\.gz is compressed\..*gunzip"):
        read(tmp_path / "packed.tar.gz")
    lacking = write(tmp_path / "lacking.tar", {"__key__": "0", "jpg": b"x", "json": {"akole": "ajá"}})
    with pytest.raises(UserError, match=r"holds the caption\? The first one has jpg, akole\..*--column caption=akole"):
        read(lacking, "yo")
    assert [e.captions for e in read(lacking, "yo", caption="akole")[0]] == [("ajá",)]
    french = write(tmp_path / "fr.tar", {"__key__": "0", "jpg": b"x", "json": json.dumps({"text": "y", "lang": "fr"})})
    with pytest.raises(UserError, match=r"is in sw\. Its column lang has fr \(1\)"):
        read(french)


def test_memory_does_not_grow_with_the_samples_of_a_shard(tmp_path):
    def peak(count: int) -> int:
        path = write(
            tmp_path / f"{count}.tar", *({"__key__": f"{n:06}", "jpg": b"x", "txt": "Mbwa"} for n in range(count))
        )
        tracemalloc.start()
        try:
            assert sum(1 for _ in SOURCE.examples("sw", {"root": path}, DropLog())) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    # A header that is kept takes more than 100 bytes, and a sample has two.
    assert peak(3300) - peak(300) < 3000 * 50
