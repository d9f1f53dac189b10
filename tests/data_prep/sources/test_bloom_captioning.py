from __future__ import annotations

import pytest

from data_prep.errors import UserError
from data_prep.sources.bloom_captioning import SOURCE, spdx
from tests.data_prep.sources.walking import walk


@pytest.fixture
def tables(hub_table):
    """Writes LANGUAGE/SPLIT/0000.parquet with the columns of the loading script; `rows` are (id, caption, licence)."""

    def write(place: str, *rows: tuple[str | None, str | None, str | None]):
        ids, captions, licences = zip(*rows, strict=True)
        return hub_table(
            f"{place}/0000.parquet",
            {
                "image_id": ids,
                "image_url": [f"https://example.org/{i}.jpg" for i in ids],
                "caption": captions,
                "story_id": ["s1"] * len(rows),
                "album_id": ["a1"] * len(rows),
                "license": licences,
                "original_bloom_language_tag": ["ha"] * len(rows),
                "index_in_story": list(range(len(rows))),
            },
        )

    return write


def test_a_row_has_its_own_licence_and_the_datas_split(lay, tables):
    tables("hau/train", ("p1", "Kare", "cc-by-nc"), ("p2", "Mage", "cc-by-sa"))
    tables("hau/validation", ("p3", "Kifi", "cc-by-nc-nd"))
    tables("hau/test", ("p4", None, "cc-by"))
    tables("eng/train", ("p3", "A fish", "cc-by-nc-nd"), ("p1", "A dog", "cc-by-nc"))
    root = lay({"images/p1.jpg": b"1", "images/hau/train/p2.png": b"2", "images/p3.jpg": b"3", "images/p4.jpeg": b"4"})
    examples, drops = walk(SOURCE, "hau", root)
    assert drops == []
    assert [(e.captions, e.captions_en, e.licence, e.split) for e in examples] == [
        (("Kare",), ("A dog",), "CC-BY-NC-4.0", "train"),
        (("Mage",), (), "CC-BY-SA-4.0", "train"),
        (("Kifi",), ("A fish",), "CC-BY-NC-ND-4.0", "validation"),
        ((), (), "CC-BY-4.0", "test"),
    ]
    assert examples[1].picture == root / "images" / "hau" / "train" / "p2.png"
    assert (examples[0].concept, examples[0].attribution) == (
        "bloom-captioning-p1",
        "Bloom Library (SIL International), book a1",
    )


@pytest.mark.parametrize(
    ("licence", "wanted"),
    [
        ("cc-by", "CC-BY-4.0"),
        ("cc-by-nc-sa", "CC-BY-NC-SA-4.0"),
        ("CC BY-NC-ND 4.0", "CC-BY-NC-ND-4.0"),
        ("cc0", "CC0-1.0"),
        ("cc-by-igo", "CC-BY-3.0-IGO"),
        ("cc-by-nc-3.0-igo", "CC-BY-NC-3.0-IGO"),
        ("ask", None),
        ("custom", None),
        ("", None),
        ("cc-by-nd-nc", None),
    ],
)
def test_licences_are_named_by_spdx(licence, wanted):
    assert spdx(licence) == wanted


def test_what_cannot_be_used_is_named(lay, tables):
    tables("hau/train", ("p1", "Kare", "ask"), ("p2", "Mage", "cc-by"), (None, "Kifi", "cc-by"), ("../x", "X", "cc-by"))
    root = lay({"images/p1.jpg": b"1", "x.jpg": b"x"})
    examples, drops = walk(SOURCE, "hau", root)
    assert examples == []
    assert drops == [
        ("p1", "the row's licence is not a known Creative Commons one"),
        ("p2", "the picture is not in the folder"),
        ("hau/train/0000.parquet:2", "the row has no image id"),
        ("../x", "the picture is not in the folder"),
    ]


def test_what_is_missing_is_named(tables):
    root = tables("hau/train", ("p1", "Kare", "cc-by"))
    with pytest.raises(
        UserError, match=r"there is no images/ with the pictures in .*fetched by image_url, named by im"
    ):
        walk(SOURCE, "hau", root)
    with pytest.raises(UserError, match=r"there is no kir/train/0000\.parquet in .*its terms must be accepted there"):
        walk(SOURCE, "kir", root)
