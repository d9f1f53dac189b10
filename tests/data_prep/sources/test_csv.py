"""The source csv, and with it what all tables of the user's own have in common."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path

import pytest

from data_prep.errors import UserError
from data_prep.records import DropLog, Example
from data_prep.sources.csv import SOURCE
from tests.data_prep.sources.walking import walk


@pytest.fixture
def folder(tmp_path: Path, make_picture) -> Path:
    """A folder with pictures a.png to e.png in img/."""
    (tmp_path / "img").mkdir()
    for name in "abcde":
        (tmp_path / "img" / f"{name}.png").write_bytes(make_picture(f"#{ord(name):02x}4080"))
    return tmp_path


def read(path: Path, locale: str = "sw", **columns: str) -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, path, **columns)


def write(folder: Path, text: str, encoding: str = "utf-8", name: str = "captions.csv") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def test_a_row_gives_its_picture_all_that_its_columns_say(folder):
    path = write(
        folder,
        "id,Image Path,Caption,caption_en,split,License,photographer,category\n"
        '17,img/a.png,"Mbwa, mkubwa",A big dog,test,https://creativecommons.org/licenses/by-sa/4.0/,Asha,animals\n'
        ",img/b.png,Paka,,train,,,\n",
    )
    (dog, cat), drops = read(path)
    assert drops == []
    assert dog == Example(
        picture=folder / "img" / "a.png",
        captions=("Mbwa, mkubwa",),
        captions_en=("A big dog",),
        concept="csv-17",
        source="csv",
        category="animals",
        licence="CC-BY-SA-4.0",
        attribution="Asha",
        split="test",
    )
    assert (cat.concept, cat.captions_en, cat.split) == ("csv-img/b", (), "train")
    assert (cat.licence, cat.attribution) == ("LicenseRef-own", "captions.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_and_byte_order_mark_are_told_apart(folder, encoding, separator):
    with (folder / "captions.csv").open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerows([("image", "caption"), ("img/a.png", f'Mbwa{separator} "mkubwa"\nsana')])
    (dog,), drops = read(folder / "captions.csv")
    assert (dog.captions, drops) == ((f'Mbwa{separator} "mkubwa"\nsana',), [])


def test_excels_line_that_names_the_separator_is_understood(folder):
    (dog,), _ = read(write(folder, "sep=;\r\nimage;caption\r\nimg/a.png;Mbwa, na paka; \r\n".replace("; \r", "\r")))
    assert dog.captions == ("Mbwa, na paka",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\ufeff", r"its first line names no columns"),
        ('sep="\r\nimage,caption\r\n', r'which column holds the picture\? It has the columns sep="\.'),
        ("image," + "a" * 17_000_000, r"captions\.csv, line 1: field larger than field limit"),
    ],
)
def test_a_first_line_that_does_not_name_the_columns_is_an_error(folder, text, message):
    with pytest.raises(UserError, match=message):
        read(write(folder, text))


def test_a_name_longer_than_files_have_is_a_picture_that_is_not_there_and_a_caption_may_be_of_megabytes(folder):
    rows = f"image,caption\nimg/a.png,{'mbwa ' * 400_000}\nimg/{'b' * 300}.png,Paka\n"
    (dog,), drops = read(write(folder, rows))
    assert dog.captions == ("mbwa " * 399_999 + "mbwa",)
    assert drops == [(f"img/{'b' * 300}.png", "the picture is not in the folder")]


def test_rows_of_one_picture_become_one_example_wherever_they_are(folder):
    path = write(
        folder,
        "image,caption,lang\n"
        "img/a.png,A1,sw\nimg/a.png,A2,swh\nimg/a.png,A1,sw\n"
        "img/b.png,B1,sw\nimg/c.png,C1,sw\nimg/c.png,C en,en-GB\n"
        "img/b.png,B2,swh_Latn\n./img/a.png,A en,eng\nimg/d.png,D fr,fr\nimg/e.png,E en,English\n",
    )
    examples, drops = read(path)
    # Those whose rows are scattered come last.
    assert [(e.concept, e.captions, e.captions_en) for e in examples] == [
        ("csv-img/c", ("C1",), ("C en",)),
        ("csv-img/e", (), ("E en",)),
        ("csv-img/a", ("A1", "A2"), ("A en",)),
        ("csv-img/b", ("B1", "B2"), ()),
    ]
    assert drops == [("1 rows in fr", "rows in another language")]


def test_a_table_without_a_row_in_the_language_is_an_error_that_counts_the_others(folder):
    path = write(folder, "image,caption,lang\nimg/a.png,Chien,fr\nimg/b.png,Chat,fr\nimg/c.png,Hund,de\n")
    with pytest.raises(UserError, match=r"is in sw\. Its column lang has fr \(2\), de \(1\).*--column language="):
        read(path)
    examples, _ = read(path, language="")
    assert [e.captions for e in examples] == [("Chien",), ("Chat",), ("Hund",)]


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (["train", "train", "Training"], ["", "", ""]),
        (["train", "val", "dev"], ["train", "validation", "validation"]),
        (["", "testing", "other"], ["", "test", ""]),
    ],
)
def test_a_split_counts_only_if_not_all_is_in_train(folder, splits, expected):
    rows = "".join(f"img/{name}.png,{name},{split}\n" for name, split in zip("abc", splits, strict=True))
    examples, _ = read(write(folder, "image,caption,split\n" + rows))
    assert [e.split for e in examples] == expected


def test_what_cannot_be_used_is_dropped_with_its_reason_and_the_rest_goes_on(folder):
    path = write(
        folder,
        "image,caption\nimg/a.png,Mbwa\nimg/lost.png,Paka\nhttps://example.org/x.jpg,Ndege\n,Samaki\nimg/b.png\n\n"
        "img\\c.png,Kuku\nimg/d.png,\n",
    )
    examples, drops = read(path)
    assert [(e.concept, e.captions) for e in examples] == [
        ("csv-img/a", ("Mbwa",)),
        ("csv-img/c", ("Kuku",)),
        ("csv-img/d", ()),
    ]
    assert drops == [
        ("img/lost.png", "the picture is not in the folder"),
        ("https://example.org/x.jpg", "the picture is a web address: download it first"),
        ("captions.csv:5", "the row names no picture"),
        ("captions.csv:6", "the row has more or fewer cells than there are columns"),
    ]


@pytest.mark.parametrize("rows", [3, 250])
def test_wrong_paths_are_an_error_that_shows_how_the_first_was_made(folder, rows):
    good = "img/a.png,Mbwa\n"
    path = write(folder, "image,caption\n" + good + "".join(f"pics/{n}.png,Mbwa\n" for n in range(rows - 1)))
    with pytest.raises(UserError) as caught:
        read(path)
    seen = min(rows, 100)
    assert f"{seen - 1} of the first {seen} pictures are not there." in str(caught.value)
    assert f"{folder / 'pics/0.png'}, made of the folder {folder} and of 'pics/0.png' in the column 'image'" in str(
        caught.value
    )


def test_half_of_the_pictures_missing_is_no_error(folder):
    examples, drops = read(write(folder, "image,caption\nimg/a.png,Mbwa\nimg/x.png,Paka\n"))
    assert (len(examples), drops) == (1, [("img/x.png", "the picture is not in the folder")])


def test_columns_that_cannot_be_told_are_named_with_the_line_that_mends_it(folder):
    path = write(folder, "image,akole\nimg/a.png,ajá\n")
    with pytest.raises(
        UserError, match=r"which column holds the caption\? It has the columns image, akole\."
    ) as caught:
        read(path, "yo")
    assert str(caught.value).endswith("--column caption=akole")
    assert [e.captions for e in read(path, "yo", caption="akole")[0]] == [("ajá",)]
    with pytest.raises(UserError, match=r"which column holds the picture\?.*--column picture=foto"):
        read(write(folder, "foto,caption\nimg/a.png,Mbwa\n", name="photos.csv"))
    with pytest.raises(UserError, match=r"no column in .* named 'akol'\. Did you mean akole\?.*--column caption=akol"):
        read(path, "yo", caption="akol")
    with pytest.raises(UserError, match=r"no role of a column named 'captoin'\. Did you mean caption"):
        read(path, "yo", captoin="akole")
    with pytest.raises(UserError, match=r"--column config= is for --source hf: alone"):
        read(path, "yo", caption="akole", config="x")


def test_english_alone_is_read_if_the_user_says_that_there_are_no_captions(folder):
    path = write(folder, "image,caption_en\nimg/a.png,A dog\n")
    with pytest.raises(UserError, match="which column holds the caption"):
        read(path)
    ((dog,), _) = read(path, caption="")
    assert (dog.captions, dog.captions_en) == ((), ("A dog",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        ("image,caption\nimg/a.png,Caf\xe9\n".encode("cp1252"), r"not in UTF-8.*0xe9.*iconv -f WINDOWS-1252 -t UTF-8"),
        ("image,caption\n".encode("utf-16"), r"is in UTF-16.*iconv -f UTF-16"),
        (b"PK\x03\x04....", r"is a spreadsheet\. Save it as CSV"),
        (b"PAR1....", r"--source parquet:"),
        (b"image,caption,image\n", r"more than one column called image"),
        (b'image,caption\nimg/a.png,"Mbwa\nimg/b.png,Paka\n', r"line 3: .*quotation marks ends with one"),
        (b"img/a.png,Mbwa\nimg/b.png,Paka\n", r"which column holds the picture\? It has the columns img/a.png, Mbwa"),
    ],
)
def test_a_file_that_is_no_such_table_is_an_error_that_says_what_to_do(folder, data, message):
    (folder / "captions.csv").write_bytes(data)
    with pytest.raises(UserError, match=message):
        read(folder / "captions.csv")


def test_a_missing_file_and_a_folder_are_named(folder):
    with pytest.raises(UserError, match=r"lost\.csv is not there"):
        read(folder / "lost.csv")
    with pytest.raises(UserError, match="is a folder, not a file"):
        read(folder)


def test_memory_does_not_grow_with_the_rows_of_a_table(folder):
    def peak(rows: int) -> int:
        for number in range(rows):
            (folder / f"{number}.png").touch()
        captions = "".join(f"{n}.png,{'mbwa ' * 40}{n}\n" for n in range(rows) for _ in range(2))
        path = write(folder, "image,caption\n" + captions)
        del captions
        tracemalloc.start()
        try:
            count = sum(1 for _ in SOURCE.examples("sw", {"root": path}, DropLog()))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert count == rows

    peak(10)
    few, many = peak(200), peak(2200)
    # A picture costs the 8 bytes of its digest, some of them while they are sorted; a caption has 200.
    assert many - few < 2000 * 60
