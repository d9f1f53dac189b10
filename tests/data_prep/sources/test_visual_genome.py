from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import pictures
from data_prep.errors import UserError
from data_prep.records import Cell, Example, Region
from data_prep.sources.visual_genome import SOURCE
from tests.data_prep.sources.walking import walk


def read(root: Path, locale: str) -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, root)


def seen(examples: list[Example]) -> list[tuple]:
    return [(e.item, e.split, e.category, e.captions, e.captions_en) for e in examples]


@pytest.fixture
def release(tmp_path, make_picture):
    """Writes a release as LINDAT has it: a text file and a folder of pictures a part."""

    def write(language: str, number: str, parts: dict[str, str], with_pictures: bool = True, folder: str = "") -> Path:
        top = tmp_path / (folder or f"{language}-visual-genome-{number}")
        top.mkdir(exist_ok=True)
        for part, text in parts.items():
            stem = top / f"{language}-visual-genome-{part}"
            Path(f"{stem}.txt").write_text(text, "utf-8")
            if with_pictures:
                Path(f"{stem}.images").mkdir()
                for line in text.splitlines():
                    name = line.split("\t")[0] + ".jpg"
                    (Path(f"{stem}.images") / name).write_bytes(make_picture(kind="JPEG"))
        return tmp_path

    return write


HAUSA = {
    "train": '2328549\t7\t4\t20\t30\ta "red" hat\tjar hula\n2328549\t0\t0\t64\t64\tan indoor scene\tcikin gida\n',
    "dev": "12\t1\t2\t3\t4\ta dog\tkare\n",
    "test": "13\t1\t2\t3\t4\ta cat\tkyanwa\n",
    "challenge-test-set": "14\t1\t2\t3\t4\ta tennis court\tfilin wasa\n",
}


def test_each_region_has_its_phrase_and_the_official_split(release):
    root = release("hausa", "10", HAUSA)
    examples, drops = read(root, "ha")
    assert drops == []
    assert seen(examples) == [
        ("visual-genome-2328549/7-4-20-30", "train", "", ("jar hula",), ('a "red" hat',)),
        ("visual-genome-2328549/0-0-64-64", "train", "", ("cikin gida",), ("an indoor scene",)),
        ("visual-genome-12/1-2-3-4", "validation", "", ("kare",), ("a dog",)),
        ("visual-genome-13/1-2-3-4", "test", "", ("kyanwa",), ("a cat",)),
        ("visual-genome-14/1-2-3-4", "test", "challenge test", ("filin wasa",), ("a tennis court",)),
    ]
    photograph = root / "hausa-visual-genome-10/hausa-visual-genome-train.images/2328549.jpg"
    assert examples[0].picture == Region(photograph, (7, 4, 20, 30))
    assert {(e.licence, e.origin) for e in examples} == {("CC-BY-4.0+CC-BY-NC-SA-4.0", "")}


def test_malayalam_calls_the_challenge_set_otherwise_and_pictures_of_another_release_will_do(release):
    release("hindi", "11", {"train": "5\t1\t2\t3\t4\ta dog\tकुत्ता\n"})
    root = release("malayalam", "10", {"chtest": "5\t1\t2\t3\t4\ta dog\tനായ\n"}, with_pictures=False)
    examples, _ = read(root, "ml")
    assert seen(examples) == [("visual-genome-5/1-2-3-4", "test", "challenge test", ("നായ",), ("a dog",))]
    assert examples[0].picture.picture.parent.name == "hindi-visual-genome-train.images"
    assert read(root, "hi")[0][0].captions == ("कुत्ता",)


def test_packed_texts_go_with_visual_genomes_own_pictures(tmp_path, make_picture):
    text = "5\t1\t2\t3\t4\ta dog\tকুকুর\n6\t1\t2\t3\t4\ta cat\tবিড়াল\n".encode()
    (tmp_path / "bengali-visual-genome-train.txt.gz").write_bytes(gzip.compress(text))
    for name in ("VG_100K/5", "VG_100K_2/6"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.jpg").write_bytes(make_picture(kind="JPEG"))
    examples, drops = read(tmp_path, "bn")
    assert drops == []
    assert [(e.captions, e.picture.picture.parent.name) for e in examples] == [
        (("কুকুর",), "VG_100K"),
        (("বিড়াল",), "VG_100K_2"),
    ]


def test_what_is_damaged_or_missing_is_named_and_the_rest_goes_on(release):
    lines = (
        "5\t1\t2\t3\ta dog\tkare",
        "6\t1\t2\t0\t4\ta cat\tkyanwa",
        "7\tx\t2\t3\t4\ta cup\tkofi",
        "8\t1\t2\t3\t4\ta key\tmakulli",
        "9\t1\t2\t3\t4\ta hat\thula",
    )
    root = release("hausa", "10", {"train": "\n".join(lines)})
    (root / "hausa-visual-genome-10/hausa-visual-genome-train.images/8.jpg").unlink()
    (root / "hausa-visual-genome-dev.txt.gz").write_bytes(gzip.compress(HAUSA["dev"].encode())[:-12])
    examples, drops = read(root, "ha")
    assert [e.concept for e in examples] == ["visual-genome-9"]
    damaged = "the line is damaged or incomplete"
    assert drops == [
        *((f"hausa-visual-genome-train.txt:{n}", damaged) for n in (1, 2, 3)),
        ("8", "the picture is not in the folder"),
        ("hausa-visual-genome-dev.txt.gz", "the file is damaged or cut short"),
    ]


def test_the_hubs_tables_of_hausa_are_read_with_pictures_in_their_cells(tmp_path, make_picture):
    def write(part: str, names: list[str | None]) -> Path:
        path = tmp_path / "default" / part / "0000.parquet"
        path.parent.mkdir(parents=True)
        sides = {s: pa.array([n] * len(names), pa.int16()) for n, s in enumerate(("X", "Y", "Width", "Height"), 1)}
        images = [{"bytes": make_picture(kind="JPEG"), "path": name} for name in names]
        texts = {"en_text": ["a dog"] * len(names), "ha_text": ["kare"] * len(names)}
        pq.write_table(pa.table({"image": images, **sides, **texts}), path)
        return path

    path = write("train", ["2328549.jpg", None])
    write("challenge_test", ["14.jpg"])
    examples, drops = read(tmp_path, "ha")
    assert drops == []
    assert seen(examples) == [
        ("visual-genome-2328549/1-2-3-4", "train", "", ("kare",), ("a dog",)),
        ("visual-genome-train-0000-1/1-2-3-4", "train", "", ("kare",), ("a dog",)),
        ("visual-genome-14/1-2-3-4", "test", "challenge test", ("kare",), ("a dog",)),
    ]
    assert examples[1].picture == Region(Cell(path, 1, "image"), (1, 2, 3, 4))
    assert pictures.decode(examples[1].picture).size == (3, 4)


def test_a_wrong_folder_or_language_is_answered_with_the_layout(release, tmp_path):
    root = release("hausa", "10", HAUSA, with_pictures=False)
    with pytest.raises(UserError, match=r"there is no folder of pictures .*train\.images/ID\.jpg.*VG_100K/"):
        read(root, "ha")
    with pytest.raises(UserError, match=r"there is no hindi-visual-genome-train\.txt .*LINDAT's"):
        read(root, "hi")
    with pytest.raises(UserError, match=r"has no language 'sw'\. It has bn, ha, hi, ml"):
        read(root, "sw")
