"""XTD10: 1,000 photographs of COCO 2014, captioned in 11 languages (evaluation only).

Read from a copy of its GitHub repository together with COCO's pictures. Spanish, Italian, Korean, Polish, Russian,
Turkish and Chinese were collected for it (XTD10/); English, German and French are those of the Multilingual Image
Corpus (MIC/), Japanese (`jp`) that of STAIR Captions (STAIR/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.records import DropLog, Example
from data_prep.sources import _xtd
from data_prep.sources._base import About, Pointed
from data_prep.sources._coco import COCO_LAYOUT, COCO_LICENCE
from data_prep.sources._layout import first_file, layout_error, open_root

NAME = "xtd10"
_TERMS = "LicenseRef-Adobe-Research"
_FOLDERS = ("XTD10", "MIC", "STAIR", "Cross-lingual-Test-Dataset-XTD10/*", ".")

_ABOUT = About(
    title="XTD10, the cross-lingual test set of COCO captions",
    homepage="https://github.com/adobe-research/Cross-lingual-Test-Dataset-XTD10",
    licences=(COCO_LICENCE, _TERMS),
    citation="Pranav Aggarwal, Ajinkya Kale. Towards Zero-shot Cross-lingual Image Retrieval. 2020.",
    pictures="Photographs of COCO 2014 (train2014 and val2014), to be had from COCO.",
    locales=("de", "en", "es", "fr", "it", "jp", "ko", "pl", "ru", "tr", "zh"),
    pointed=Pointed(
        "folder",
        f"XTD10/{_xtd.IMAGES} with XTD10/, MIC/ and STAIR/test_1kcaptions_LANGUAGE.txt as in the GitHub "
        f"repository, and {COCO_LAYOUT}.",
    ),
)


class XTD10:
    """See the module's docstring."""

    about = _ABOUT

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, _ABOUT, locale, files)
        names = first_file(root, *(f"{folder}/{_xtd.IMAGES}" for folder in _FOLDERS))
        texts = first_file(root, *(f"{folder}/test_1kcaptions_{locale}.txt" for folder in _FOLDERS))
        if names is None or texts is None:
            missing = f"XTD10/{_xtd.IMAGES}" if names is None else f"test_1kcaptions_{locale}.txt"
            raise layout_error(NAME, _ABOUT, root, f"there is no {missing}")
        captions_en = _xtd.english(root, names, *(f"{folder}/test_1kcaptions_en.txt" for folder in _FOLDERS))
        return _xtd.read(NAME, root, names, texts, captions_en, _TERMS, "", log)


SOURCE = XTD10()
