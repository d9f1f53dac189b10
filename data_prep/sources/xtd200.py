"""XTD200: XTD10's English captions of 1,000 photographs of COCO 2014, machine-translated into 200 languages.

Published in the GitHub repository of NLLB-CLIP, one text file a language by its FLORES-200 code, translated by
NLLB-200 3.3B. It is meant for evaluation, so the split is "test", but nobody has checked the captions: the origin says
what made them. The list of pictures and the English captions are XTD10's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.records import DropLog, Example
from data_prep.sources import _xtd
from data_prep.sources._base import About, Pointed
from data_prep.sources._coco import COCO_LAYOUT, COCO_LICENCE
from data_prep.sources._flores import ENGLISH, LOCALES, NLLB
from data_prep.sources._layout import first_file, layout_error, open_root

NAME = "xtd200"
# The repository states no licence; this is the one of the model that made them.
_TERMS = "CC-BY-NC-4.0"
_FOLDERS = ("data/xtd200", "xtd200", ".")
_XTD10 = ("XTD10", "MIC", "Cross-lingual-Test-Dataset-XTD10/*")

_ABOUT = About(
    title="XTD200, XTD10 machine-translated into 200 languages",
    homepage="https://github.com/visheratin/nllb-clip",
    licences=(COCO_LICENCE, _TERMS),
    citation="Alexander Visheratin. NLLB-CLIP: train performant multilingual image retrieval model on a budget. 2023. "
    "Pranav Aggarwal, Ajinkya Kale. Towards Zero-shot Cross-lingual Image Retrieval. 2020.",
    pictures="Photographs of COCO 2014 (train2014 and val2014), to be had from COCO.",
    locales=tuple(code for code in LOCALES if code != ENGLISH),
    pointed=Pointed(
        "folder",
        f"data/xtd200/LANGUAGE.txt as in the GitHub repository, {_xtd.IMAGES} of XTD10 beside them or in XTD10/, and "
        f"{COCO_LAYOUT}.",
    ),
)


class XTD200:
    """See the module's docstring."""

    about = _ABOUT

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, _ABOUT, locale, files)
        texts = first_file(root, *(f"{folder}/{locale}.txt" for folder in _FOLDERS))
        names = first_file(root, *(f"{folder}/{_xtd.IMAGES}" for folder in (*_FOLDERS, *_XTD10)))
        if names is None or texts is None:
            missing = f"data/xtd200/{locale}.txt" if texts is None else _xtd.IMAGES
            raise layout_error(NAME, _ABOUT, root, f"there is no {missing}")
        captions_en = _xtd.english(root, names, *(f"{f}/test_1kcaptions_en.txt" for f in (*_FOLDERS, *_XTD10)))
        return _xtd.read(NAME, root, names, texts, captions_en, _TERMS, NLLB, log)


SOURCE = XTD200()
