from __future__ import annotations

import json

import pytest

from data_prep.errors import UserError
from data_prep.pictures import read
from data_prep.records import Cell
from data_prep.sources.marvl import SOURCE
from tests.data_prep.sources.walking import walk

STATEMENT = {
    "concept": "10-Nyumba_ya_udongo",
    "language": "sw",
    "caption": "Picha zote mbili zina nyumba.",
    "left_img": "10-1.jpg",
    "right_img": "10-2.jpg",
    "annotator_info": {"annotator_id": "sw_1", "country_of_birth": "Kenya", "gender": "female", "age": 25},
    "chapter": "The house",
    "id": "sw-0",
    "label": True,
}


def test_a_picture_is_captioned_with_the_concept_it_was_chosen_for(lay):
    root = lay(
        {
            "marvl-annotations/marvl-sw.jsonl": json.dumps(STATEMENT) + "\n",
            "marvl-images/sw/images/2-Ndege/2-0.jpg": b"a",
            "marvl-images/sw/images/10-Nyumba_ya_udongo/10-1.jpg": b"b",
            "marvl-images/sw/images/10-Nyumba_ya_udongo/10-2.jpg": b"c",
            "marvl-images/sw/extra/2-Ndege/2-7.JPG": b"d",
            "marvl-images/sw/name2link.csv": "2-0.jpg\thttps://example.org\n",
            "marvl-images/tr/images/1-Kedi/1-0.jpg": b"e",
        }
    )
    examples, drops = walk(SOURCE, "sw", root)
    assert drops == []
    assert [(e.captions, e.concept, e.variant) for e in examples] == [
        (("Ndege",), "marvl-sw-2", "images/2-0"),
        (("Nyumba ya udongo",), "marvl-sw-10", "images/10-1"),
        (("Nyumba ya udongo",), "marvl-sw-10", "images/10-2"),
        (("Ndege",), "marvl-sw-2", "extra/2-7"),
    ]
    assert {(e.split, e.captions_en) for e in examples} == {("test", ())}
    assert examples[0].picture == root / "marvl-images" / "sw" / "images" / "2-Ndege" / "2-0.jpg"
    assert walk(SOURCE, "sw", root / "marvl-images")[0] == examples


def test_what_cannot_be_used_is_named(lay):
    root = lay(
        {
            "marvl-images/zh/images/1-麻雀/1-0.jpg": b"a",
            "marvl-images/zh/images/1-麻雀/Thumbs.db": b"b",
            "marvl-images/zh/images/nameless/1-1.jpg": b"c",
        }
    )
    examples, drops = walk(SOURCE, "zh", root)
    assert [e.captions for e in examples] == [("麻雀",)]
    assert drops == [
        ("nameless/1-1.jpg", "the concept's folder has no name behind its number"),
        ("1-麻雀/Thumbs.db", "the file is no picture"),
    ]


def test_the_hubs_tables_give_each_picture_once(hub_table, make_picture):
    pictures = {"1-0.jpg": make_picture("red"), "1-1.jpg": make_picture("green"), "2-0.jpg": make_picture("blue")}
    left, right = ["1-0.jpg", "1-1.jpg", "2-0.jpg"], ["1-1.jpg", "1-0.jpg", None]
    columns = {
        "id": ["tr-0", "tr-1", "tr-2"],
        "hypothesis": ["İki resimde de kedi var."] * 3,
        "hypo_en": ["Both pictures have a cat."] * 3,
        "language": ["tr"] * 3,
        "label": [True, False, True],
        "chapter": ["Animal", "Animal", "The house"],
        "concept": ["1-Kedi", "1-Kedi", "2-Taş_ev"],
        "left_img_id": left,
        "right_img_id": right,
        "left_img": [pictures[i] for i in left],
        "right_img": [pictures[i] if i else None for i in right],
    }
    root = hub_table("data/tr-00000-of-00001.parquet", columns, ("left_img", "right_img"))
    examples, drops = walk(SOURCE, "tr", root)
    path = root / "data" / "tr-00000-of-00001.parquet"
    assert [(e.captions[0], e.concept, e.variant, e.category) for e in examples] == [
        ("Kedi", "marvl-tr-1", "images/1-0", "Animal"),
        ("Kedi", "marvl-tr-1", "images/1-1", "Animal"),
        ("Taş ev", "marvl-tr-2", "images/2-0", "The house"),
    ]
    assert [e.picture for e in examples] == [
        Cell(path, 0, "left_img"),
        Cell(path, 0, "right_img"),
        Cell(path, 2, "left_img"),
    ]
    assert [read(e.picture) for e in examples] == list(pictures.values())
    assert drops == [("2-Taş_ev/", "the row has no image id")]


def test_a_language_that_is_not_there_is_answered_with_the_layout(lay):
    root = lay({"marvl-images/sw/images/2-Ndege/2-0.jpg": b"a"})
    missing = r"marvl: there is neither marvl-images/ta/images/ nor data/ta-\*\.parquet in .*It reads marvl-images/LANG"
    with pytest.raises(UserError, match=missing):
        walk(SOURCE, "ta", root)
