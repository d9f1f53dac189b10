"""Multi30k: 31,000 photographs of Flickr30k, one English caption each, translated by people into German, French, Czech.

Read from a copy of the GitHub repository (task 1: raw/SPLIT.LANGUAGE.gz, packed or not, line by line with the file
names in image_splits/) together with Flickr30k's pictures, or from the Hub's romrawinjp/multi30k, where a row has all
languages and its picture. The later test sets are read too where their pictures are there (test_2017_flickr and
test_2018_flickr from the task's pages, test_2017_mscoco from COCO); Czech has no captions for those of 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.records import Cell, DropLog, Example
from data_prep.sources._base import About, Hub, Pointed
from data_prep.sources._coco import (
    COCO_LICENCE,
    FLICKR30K_LAYOUT,
    FLICKR30K_LICENCE,
    CocoPictures,
    Flickr30kPictures,
)
from data_prep.sources._hub import rows, shards
from data_prep.sources._layout import (
    NO_NAME,
    NO_PICTURE,
    aligned,
    captions,
    first_file,
    layout_error,
    open_root,
    text_lines,
)

NAME = "multi30k"
_TERMS = "CC-BY-NC-SA-4.0"
_CREDIT = "Flickr30k; Multi30k"
_SETS = {
    "train": "train",
    "val": "validation",
    "test_2016_flickr": "test",
    "test_2017_flickr": "test",
    "test_2018_flickr": "test",
    "test_2017_mscoco": "test",
}
_TABLES = {split: f"data/{split}-[0-9][0-9][0-9][0-9][0-9]-of-*.parquet" for split in ("train", "validation", "test")}
_FOLDERS = ("data/task1", "task1", "dataset/data/task1", "multi30k-dataset/data/task1", ".")

_ABOUT = About(
    title="Multi30k, task 1 (translations)",
    homepage="https://github.com/multi30k/dataset",
    licences=(FLICKR30K_LICENCE, COCO_LICENCE, _TERMS),
    citation="Desmond Elliott, Stella Frank, Khalil Sima'an, Lucia Specia. Multi30K: Multilingual English-German Image "
    "Descriptions. Workshop on Vision and Language 2016.",
    pictures="Photographs of Flickr30k, to be asked for there, or in the Hub's Parquet files.",
    locales=("cs", "de", "en", "fr"),
    pointed=Pointed(
        "folder",
        "data/task1/raw/train.LANGUAGE.gz and data/task1/image_splits/train.txt as in the GitHub repository (also val "
        f"and test_2016_flickr), and {FLICKR30K_LAYOUT}; or a download of romrawinjp/multi30k with "
        "data/train-00000-of-NNNNN.parquet.",
        Hub("romrawinjp/multi30k", "54218e32a3eeb7a49a9205cac037bfe80048ae1e", tuple(_TABLES.values())),
    ),
)


class Multi30k:
    """See the module's docstring."""

    about = _ABOUT

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, _ABOUT, locale, files)
        task = next((root / f for f in _FOLDERS if (root / f / "image_splits").is_dir()), None)
        if task:
            return _upstream(root, task, locale, log)
        if not any(shards(root, pattern) for pattern in _TABLES.values()):
            raise layout_error(NAME, _ABOUT, root, "there is neither data/task1/image_splits/ nor data/*.parquet")
        return _hub(root, locale, log)


def _example(picture: Path | Cell, own: tuple[str, ...], english: tuple[str, ...], key: str, split: str) -> Example:
    return Example(
        picture=picture,
        captions=own,
        captions_en=english,
        concept=f"{NAME}-{key}",
        source=NAME,
        licence=f"{COCO_LICENCE if key.startswith('COCO') else FLICKR30K_LICENCE}+{_TERMS}",
        attribution=_CREDIT,
        split=split,
    )


def _upstream(root: Path, task: Path, locale: str, log: DropLog) -> Iterator[Example]:
    flickr, coco = Flickr30kPictures(root), CocoPictures(root)
    found = False
    for name, split in _SETS.items():
        names = task / "image_splits" / f"{name}.txt"
        texts = first_file(task, f"raw/{name}.{locale}.gz", f"raw/{name}.{locale}", f"{name}.{locale}")
        if not names.is_file() or texts is None:
            continue
        found = True
        path_en = first_file(task, f"raw/{name}.en.gz", f"raw/{name}.en", f"{name}.en")
        pairs = aligned(names, texts)
        english = text_lines(path_en) if path_en else []
        if len(english) != len(pairs):
            english = [""] * len(pairs)
        for number, ((line, caption), caption_en) in enumerate(zip(pairs, english, strict=True), 1):
            # The file of COCO's pictures has "COCO_val2014_000000123456.jpg#456789", the caption's number behind.
            file = line.split("#")[0]
            picture = coco.find(file) if file.startswith("COCO") else flickr.find(file) if file else None
            if picture is None:
                log.drop(NAME, file or f"{names.name}:{number}", NO_PICTURE if file else NO_NAME)
                continue
            yield _example(picture, captions(caption), captions(caption_en), file.removesuffix(".jpg"), split)
    if not found:
        raise layout_error(NAME, _ABOUT, root, f"there is no data/task1/raw/train.{locale}.gz")


def _hub(root: Path, locale: str, log: DropLog) -> Iterator[Example]:
    for split, pattern in _TABLES.items():
        # The rows have no name; their order is Multi30k's.
        for number, (path, row, values) in enumerate(rows(root, pattern, (locale, "en"), NAME, log)):
            own, english = captions(values[locale]), captions(values["en"])
            yield _example(Cell(path, row, "image"), own, english, f"{split}-{number}", split)


SOURCE = Multi30k()
