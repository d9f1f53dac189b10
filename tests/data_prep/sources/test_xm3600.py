from __future__ import annotations

import io
import json
import tarfile

import pytest

from data_prep.errors import UserError
from data_prep.pictures import read
from data_prep.records import Cell, Slice
from data_prep.sources.xm3600 import SOURCE
from tests.data_prep.sources.walking import walk


def line(key: str, **texts: list[str]) -> str:
    """A line of captions.jsonl: each language has its captions and two tokenized forms."""
    entry = {
        language: {
            "caption": captions,
            "caption/tokenized": captions,
            "caption/tokenized/lowercase": [c.lower() for c in captions],
        }
        for language, captions in texts.items()
    }
    return json.dumps({"image/key": key, "image/locale": "sw", **entry}, ensure_ascii=False) + "\n"


DOG = line("00a0b916fd5941a3", sw=["Mbwa mkubwa.", "Mbwa"], en=["A big dog."], mi=["He kurī."])
CAT = line("01c715ada9a9b193", sw=["Paka."], en=["A cat.", "One cat."], mi=[])


def test_upstreams_files(lay, make_picture):
    root = lay(
        {
            "captions.jsonl": DOG + CAT,
            "images/00a0b916fd5941a3.jpg": make_picture("brown"),
            "images/01c715ada9a9b193.jpg": make_picture("grey"),
            "image_attributions.csv": "ImageID,Subset,OriginalURL,License,Author\n"
            "01c715ada9a9b193,test,https://example.org/c.jpg,https://creativecommons.org/licenses/by/2.0/,Asha\n",
        }
    )
    (dog, cat), drops = walk(SOURCE, "sw", root)
    assert drops == []
    assert (dog.captions, dog.captions_en) == (("Mbwa mkubwa.", "Mbwa"), ("A big dog.",))
    assert (dog.concept, dog.split, dog.origin) == ("xm3600-00a0b916fd5941a3", "test", "")
    assert dog.picture == root / "images" / "00a0b916fd5941a3.jpg"
    assert dog.attribution == "Open Images; Crossmodal-3600"
    assert (cat.attribution, cat.licence) == ("Asha; Open Images; Crossmodal-3600", "CC-BY-2.0+CC-BY-4.0")
    # A picture without captions in the language comes too.
    assert [e.captions for e in walk(SOURCE, "mi", root)[0]] == [("He kurī.",), ()]
    assert [e.captions for e in walk(SOURCE, "en", root)[0]] == [("A big dog.",), ("A cat.", "One cat.")]


def test_pictures_may_stay_in_an_archive_that_is_not_compressed(lay, make_picture):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("./00a0b916fd5941a3.jpg")
        info.size = len(make_picture())
        tar.addfile(info, io.BytesIO(make_picture()))
    (dog,), drops = walk(SOURCE, "sw", lay({"captions.jsonl": DOG + CAT, "images.tar": out.getvalue()}))
    assert isinstance(dog.picture, Slice)
    assert read(dog.picture) == make_picture()
    assert drops == [("01c715ada9a9b193", "the picture is not in the folder")]


def test_a_packed_archive_is_answered_with_how_to_unpack_it(lay):
    with pytest.raises(UserError, match=r"images\.tgz must be unpacked: mkdir images; tar -xzf images\.tgz -C images"):
        walk(SOURCE, "sw", lay({"captions.jsonl": DOG, "images.tgz": b"\x1f\x8b"}))


def test_damaged_lines_are_named_and_the_rest_goes_on(lay, make_picture):
    text = DOG[:40] + "\n" + json.dumps({"image/key": "x"}) + "\n" + CAT
    examples, drops = walk(
        SOURCE, "sw", lay({"captions.jsonl": text, "images/01c715ada9a9b193.jpg": make_picture("grey")})
    )
    assert [e.concept for e in examples] == ["xm3600-01c715ada9a9b193"]
    assert drops == [(f"captions.jsonl:{n}", "the line is damaged or incomplete") for n in (1, 2)]


def test_the_hubs_tables(hub_table, make_picture):
    keys = ["00a0b916fd5941a3", "01c715ada9a9b193", None]
    for language, texts in (("sw", [["Mbwa", " "], ["Paka"], ["?"]]), ("en", [["A dog"], ["A cat"], ["?"]])):
        root = hub_table(
            f"data/{language}-00000-of-00001.parquet",
            {
                "image_id": keys,
                "image_locale": ["sw", "en", "en"],
                "captions": texts,
                "captions_tokenized": texts,
                "captions_tokenized_lowercase": texts,
                "image": [make_picture("brown"), make_picture("grey"), make_picture("red")],
            },
        )
    (dog, cat), drops = walk(SOURCE, "sw", root)
    assert (dog.captions, dog.captions_en, dog.split) == (("Mbwa",), ("A dog",), "test")
    assert dog.concept == "xm3600-00a0b916fd5941a3"
    assert cat.picture == Cell(root / "data" / "sw-00000-of-00001.parquet", 1, "image")
    assert read(cat.picture) == make_picture("grey")
    assert drops == [("sw-00000-of-00001.parquet:2", "the row has no image id")]
    with pytest.raises(UserError, match=r"xm3600: there is no data/te-.*\.parquet in .*It reads captions\.jsonl"):
        walk(SOURCE, "te", root)


def test_a_language_it_does_not_have_is_an_error_with_those_it_has(lay):
    with pytest.raises(UserError, match=r"xm3600 has no language 'yo'\. It has ar, bn, .*, zh\."):
        walk(SOURCE, "yo", lay({"captions.jsonl": DOG}))
