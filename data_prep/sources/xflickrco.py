"""xFlickr&CO: captions in eight languages for 2,000 pictures of Flickr30k and COCO, from the IGLUE benchmark.

The test set has a caption a picture and language, written by people who saw the picture or taken from older sets
(Multi30k, STAIR Captions, COCO-CN, ...). For all but English there are few-shot training sets of 100 pictures of
Flickr30k (German and Japanese: 1,500).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.records import DropLog, Example
from data_prep.sources._base import About, Hub, Pointed
from data_prep.sources._coco import (
    COCO_LAYOUT,
    COCO_LICENCE,
    FLICKR30K_LAYOUT,
    FLICKR30K_LICENCE,
    CocoPictures,
    Flickr30kPictures,
)
from data_prep.sources._hub import SPLIT_FILES, Tables
from data_prep.sources._layout import (
    DAMAGED_LINE,
    NO_PICTURE,
    captions,
    first_file,
    json_lines,
    layout_error,
    open_root,
)

NAME = "xflickrco"
_ATTRIBUTION = "xFlickr&CO (IGLUE), Flickr30k, COCO"
_ENGLISH = "en"
_CAPTIONS = "CC-BY-SA-4.0"

_ABOUT = About(
    title="xFlickr&CO",
    homepage="https://github.com/e-bug/iglue",
    licences=(FLICKR30K_LICENCE, COCO_LICENCE, _CAPTIONS),
    citation="Emanuele Bugliarello et al. IGLUE: A Benchmark for Transfer Learning across Modalities, Tasks, and "
    "Languages. ICML 2022.",
    pictures="Photographs of Flickr30k and of COCO's val2014, which the user has fetched; on the Hub in the tables.",
    locales=("de", "en", "es", "id", "ja", "ru", "tr", "zh"),
    pointed=Pointed(
        "folder",
        "IGLUE's xFlickrCO/annotations/LANGUAGE/test.jsonl and train_*.jsonl with "
        f"{FLICKR30K_LAYOUT} and {COCO_LAYOUT}; or a download of mteb/xflickrco with data/LANGUAGE-*.parquet.",
        Hub("mteb/xflickrco", "4da629e05455d757306174cdc72f2edfe00b9027", ("data/{locale}-*", "data/en-*")),
    ),
)
_TABLES = Tables(NAME, _ABOUT, "+".join(_ABOUT.licences), _ATTRIBUTION, SPLIT_FILES, id="id", captions="sentences")
_ABOVE = ("", "annotations/", "xFlickrCO/annotations/", "datasets/xFlickrCO/annotations/")


class XFlickrCo:
    """See the module's docstring."""

    about = _ABOUT

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, _ABOUT, locale, files)
        if _TABLES.found(root):
            yield from _TABLES.examples(locale, files, log)
            return
        test = _test_file(root, locale)
        if test is None:
            raise layout_error(NAME, _ABOUT, root, f"there is no {locale}/test.jsonl and no data/{locale}-*.parquet")
        english_file = _test_file(root, _ENGLISH)
        english = {key: texts for key, _, texts in _lines(english_file, log)} if english_file else {}
        flickr, coco = Flickr30kPictures(root), CocoPictures(root)
        for split, table in (("test", _lines(test, log)), ("train", _few_shot(test.parent, log))):
            for key, name, texts in table:
                is_coco = name.startswith("COCO_")
                path = coco.find(name) if is_coco else flickr.find(name)
                if path is None:
                    log.drop(NAME, key, NO_PICTURE)
                    continue
                yield Example(
                    picture=path,
                    captions=texts,
                    captions_en=english.get(key, ()),
                    concept=f"{NAME}-{key}",
                    source=NAME,
                    licence=f"{COCO_LICENCE if is_coco else FLICKR30K_LICENCE}+{_CAPTIONS}",
                    attribution=_ATTRIBUTION,
                    split=split,
                )


def _test_file(root: Path, locale: str) -> Path | None:
    return first_file(root, *(f"{above}{locale}/test.jsonl" for above in _ABOVE))


def _lines(path: Path, log: DropLog) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(id, file name of the picture, captions) of each line."""
    for number, line in json_lines(path, NAME, log):
        key, name, texts = line.get("id"), line.get("img_path"), line.get("sentences")
        if isinstance(key, str | int) and isinstance(name, str) and isinstance(texts, list):
            yield str(key), name, captions(texts)
        else:
            log.drop(NAME, f"{path.name}:{number}", DAMAGED_LINE)


def _few_shot(folder: Path, log: DropLog) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The few-shot training sets as one: the smaller are part of the larger, those named "x5" have five captions."""
    found: dict[str, tuple[str, dict[str, None]]] = {}
    paths = [p for p in folder.glob("train_*.jsonl") if re.fullmatch(r"train_\d+(x\d+)?\.jsonl", p.name)]
    for path in sorted(paths, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)]):
        for key, name, texts in _lines(path, log):
            found.setdefault(key, (name, {}))[1].update(dict.fromkeys(texts))
    yield from ((key, name, tuple(texts)) for key, (name, texts) in found.items())


SOURCE = XFlickrCo()
