from __future__ import annotations

import gzip

import pytest

from data_prep.errors import UserError
from data_prep.pictures import read
from data_prep.sources.wit import SOURCE
from tests.data_prep.sources.walking import walk

HEADER = (
    "language page_url image_url page_title section_title hierarchical_section_title caption_reference_description "
    "caption_attribution_description caption_alt_text_description mime_type original_height original_width "
    "is_main_image attribution_passes_lang_id page_changed_recently context_page_description "
    "context_section_description"
)
COLUMNS = HEADER.split()
COMMONS = "https://upload.wikimedia.org/wikipedia/commons/"


def row(language: str, image: str, caption: str, page: str = "Mbwa", context: str = "Mbwa ni mnyama.") -> str:
    values = dict.fromkeys(COLUMNS, "") | {
        "language": language,
        "page_url": f"https://{language}.wikipedia.org/wiki/{page}",
        "image_url": COMMONS + image,
        "page_title": page,
        "caption_reference_description": caption,
        "caption_attribution_description": "English: something else",
        "mime_type": "image/jpeg",
        "is_main_image": "true",
        "context_page_description": context,
    }
    return "\t".join(values[column] for column in COLUMNS) + "\n"


def table(*rows: str) -> bytes:
    return gzip.compress(("\t".join(COLUMNS) + "\n" + "".join(rows)).encode())


def test_upstreams_tables_with_downloaded_pictures(lay):
    train = table(
        row("sw", "a/a1/Dog.jpg", "Mbwa mkubwa", context='"Mbwa ni\nmnyama ""wa"" nyumbani."'),
        row("en", "a/a1/Dog.jpg", "A big dog", "Dog"),
        row("sw", "b/b2/Ng%27ombe_1.jpg", ""),
        row("sw", "c/c3/Lost.jpg", "Haipo"),
        row("sw", "a/a1/Dog.jpg", "Mbwa tena", "Wanyama"),
    )
    root = lay(
        {
            "wit_v1.train.all-00000-of-00010.tsv.gz": train,
            "wit_v1.val.all-00000-of-00005.tsv.gz": table(row("sw", "d/d4/Cat.png", "Paka")),
            "wit_v1.test.all-00000-of-00005.tsv": gzip.decompress(table(row("sw", "e/e5/Fish.png", "Samaki"))),
            # As `wget -x` lays them down, and by their names.
            "images/upload.wikimedia.org/wikipedia/commons/a/a1/Dog.jpg": b"dog",
            "images/Ng'ombe_1.jpg": b"cow",
            "images/Cat.png": b"cat",
            "images/Fish.png": b"fish",
        }
    )
    examples, drops = walk(SOURCE, "sw", root)
    assert [(e.captions, e.split) for e in examples] == [
        (("Samaki",), "test"),
        (("Mbwa mkubwa",), "train"),
        ((), "train"),
        (("Mbwa tena",), "train"),
        (("Paka",), "validation"),
    ]
    dog, cow, again = examples[1:4]
    assert dog.picture == root / "images/upload.wikimedia.org/wikipedia/commons/a/a1/Dog.jpg"
    assert dog.concept == again.concept == "wit-commons/a/a1/Dog.jpg"
    assert dog.attribution.endswith("https://sw.wikipedia.org/wiki/Mbwa")
    assert cow.picture == root / "images" / "Ng'ombe_1.jpg"
    assert drops == [(COMMONS + "c/c3/Lost.jpg", "the picture is not in the folder")]


def test_a_cut_table_is_read_as_far_as_it_goes(lay):
    pictures = {f"images/{n}.jpg": b"x" for n in range(3000)}
    whole = table(*(row("sw", f"a/a1/{n}.jpg", f"picha {n * 7919 % 3001}") for n in range(3000)))
    root = lay({"wit_v1.train.all-00000-of-00010.tsv.gz": whole[: len(whole) // 2], **pictures})
    examples, drops = walk(SOURCE, "sw", root)
    assert 0 < len(examples) < 3000
    assert [e.captions[0] for e in examples[:2]] == ["picha 0", "picha 1917"]
    assert drops[-1] == ("wit_v1.train.all-00000-of-00010.tsv.gz", "the file is damaged or cut short")


@pytest.mark.parametrize("image", ["../../../../secret.jpg", "..%2Fsecret.jpg", "%2E%2E/../%2E%2E/../secret.jpg"])
def test_an_address_leads_to_no_file_outside_the_pictures(lay, image):
    root = lay(
        {
            "wit_v1.train.all-00000-of-00010.tsv.gz": table(row("sw", image, "siri")),
            "secret.jpg": b"x",
            "images/upload.wikimedia.org/wikipedia/commons/x.jpg": b"x",
        }
    )
    assert walk(SOURCE, "sw", root) == ([], [(COMMONS + image, "the picture is not in the folder")])


def test_an_address_that_is_none_is_a_damaged_line(lay):
    name = "wit_v1.train.all-00000-of-00010.tsv.gz"
    root = lay({name: table(row("sw", "", "siri").replace(COMMONS, "https://[::1/")), "images/x.jpg": b"x"})
    assert walk(SOURCE, "sw", root) == ([], [(f"{name}:1", "the line is damaged or incomplete")])


def test_the_hubs_tables(hub_table, make_picture):
    for language, texts in (("id", [["Anjing"], []]), ("en", [["A dog"], ["A cat"]])):
        root = hub_table(
            f"data/{language}-00000-of-00001.parquet",
            {
                "image_id": ["Dog.jpg", f"{language}.jpg"],
                "captions": texts,
                "image": [make_picture("brown"), make_picture("grey")],
            },
        )
    (dog, other), drops = walk(SOURCE, "id", root)
    assert drops == []
    assert (dog.captions, dog.captions_en, dog.split) == (("Anjing",), ("A dog",), "test")
    assert (other.captions, other.captions_en) == ((), ())
    assert read(other.picture) == make_picture("grey")
    with pytest.raises(UserError, match=r"wit: there is no data/sw-.*\.parquet in .*It reads a download of mteb/wit"):
        walk(SOURCE, "sw", root)
