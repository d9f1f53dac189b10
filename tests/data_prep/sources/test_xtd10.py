from __future__ import annotations

import pytest

from data_prep.errors import UserError
from data_prep.sources.xtd10 import SOURCE
from tests.data_prep.sources.walking import walk

NAMES = "COCO_train2014_000000000009.jpg\nCOCO_val2014_000000129945.jpg\nCOCO_val2014_000000129946.jpg\n"
FILES = {
    "XTD10/test_image_names.txt": NAMES,
    "XTD10/test_1kcaptions_es.txt": "un perro\nun gato\nun pez\n",
    "MIC/test_1kcaptions_en.txt": "a dog\na cat\na fish\n",
    "MIC/test_1kcaptions_de.txt": "ein Hund\n\nein Fisch\n",
    "STAIR/test_1kcaptions_jp.txt": "犬\n猫\n魚\n",
    "train2014/COCO_train2014_000000000009.jpg": b"dog",
    "val2014/COCO_val2014_000000129945.jpg": b"cat",
}


@pytest.mark.parametrize(
    ("locale", "captions"),
    [
        ("es", [("un perro",), ("un gato",)]),
        ("en", [("a dog",), ("a cat",)]),
        ("de", [("ein Hund",), ()]),
        ("jp", [("犬",), ("猫",)]),
    ],
)
def test_each_line_is_the_caption_of_the_picture_named_in_the_same_line(lay, locale, captions):
    root = lay(FILES)
    examples, drops = walk(SOURCE, locale, root)
    assert [e.captions for e in examples] == captions
    assert [e.captions_en for e in examples] == [("a dog",), ("a cat",)]
    assert [e.concept for e in examples] == ["xtd10-COCO_train2014_000000000009", "xtd10-COCO_val2014_000000129945"]
    assert examples[1].picture == root / "val2014" / "COCO_val2014_000000129945.jpg"
    assert {(e.split, e.origin) for e in examples} == {("test", "")}
    assert drops == [("COCO_val2014_000000129946.jpg", "the picture is not in the folder")]


def test_files_that_do_not_fit_are_never_paired(lay):
    root = lay({**FILES, "XTD10/test_1kcaptions_es.txt": "un perro\nun gato\n"})
    with pytest.raises(UserError, match=r"test_image_names\.txt has 3 lines and .*_es\.txt has 2"):
        walk(SOURCE, "es", root)
    # English of another list is no English of this one.
    root = lay({**FILES, "MIC/test_1kcaptions_en.txt": "a dog\n"})
    assert [e.captions_en for e in walk(SOURCE, "es", root)[0]] == [(), ()]


def test_a_language_whose_file_is_not_there_is_answered_with_the_layout(lay):
    with pytest.raises(UserError, match=r"xtd10: there is no test_1kcaptions_tr\.txt in .*It reads XTD10/test_image_n"):
        walk(SOURCE, "tr", lay(FILES))


def test_a_line_without_a_name_is_named_by_its_number(lay):
    root = lay({**FILES, "XTD10/test_image_names.txt": NAMES.replace("COCO_val2014_000000129946.jpg", "")})
    assert walk(SOURCE, "es", root)[1] == [("test_image_names.txt:3", "the line names no picture")]
