from __future__ import annotations

import pytest

from data_prep.errors import UserError
from data_prep.sources.xtd200 import SOURCE
from tests.data_prep.sources.walking import walk

NAMES = "COCO_train2014_000000000009.jpg\nCOCO_val2014_000000129945.jpg\n"
FILES = {
    "data/xtd200/swh_Latn.txt": "mbwa\npaka\n",
    "data/xtd200/yor_Latn.txt": "ajá\nológbò\n",
    "coco/train2014/COCO_train2014_000000000009.jpg": b"dog",
    "coco/val2014/COCO_val2014_000000129945.jpg": b"cat",
}


@pytest.mark.parametrize("folder", ["data/xtd200", "XTD10", "Cross-lingual-Test-Dataset-XTD10/XTD10", "."])
def test_captions_are_machine_translations_of_xtd10s_pictures(lay, folder):
    root = lay({**FILES, f"{folder}/test_image_names.txt": NAMES, "MIC/test_1kcaptions_en.txt": "a dog\na cat\n"})
    (dog, cat), drops = walk(SOURCE, "swh_Latn", root)
    assert drops == []
    assert (dog.captions, dog.captions_en, cat.captions) == (("mbwa",), ("a dog",), ("paka",))
    assert (dog.split, dog.origin) == ("test", "facebook/nllb-200-3.3B")
    assert dog.concept == "xtd200-COCO_train2014_000000000009"
    assert dog.picture == root / "coco" / "train2014" / "COCO_train2014_000000000009.jpg"


def test_what_is_missing_is_named(lay):
    with pytest.raises(
        UserError, match=r"xtd200: there is no test_image_names\.txt in .*It reads data/xtd200/LANGUAGE"
    ):
        walk(SOURCE, "swh_Latn", lay(FILES))
    root = lay({"XTD10/test_image_names.txt": NAMES})
    with pytest.raises(UserError, match=r"xtd200: there is no data/xtd200/hau_Latn\.txt in "):
        walk(SOURCE, "hau_Latn", root)
    (root / "coco" / "val2014" / "COCO_val2014_000000129945.jpg").unlink()
    examples, drops = walk(SOURCE, "yor_Latn", root)
    assert [(e.captions, e.captions_en) for e in examples] == [(("ajá",), ())]
    assert drops == [("COCO_val2014_000000129945.jpg", "the picture is not in the folder")]


def test_it_has_200_languages_without_english():
    assert len(SOURCE.about.locales) == 200
    assert "eng_Latn" not in SOURCE.about.locales
