"""Crossmodal-3600: 3,600 photographs from all over the world, captioned by people in 36 languages (evaluation only).

Read from upstream's files (captions.jsonl of captions.zip beside the folder images/ of images.tgz; the Hub's
dinhanhx/crossmodal-3600 is packed the same way), or from the Hub's mteb/xm3600 with one Parquet split a language.
Upstream's image_attributions.csv names the photographers, if it is there. `quz` is Cuzco Quechua, `fil` Filipino.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from data_prep.errors import UserError
from data_prep.records import DropLog, Example
from data_prep.sources._base import About, Hub, Pointed
from data_prep.sources._hub import SPLIT_FILES, Tables
from data_prep.sources._layout import (
    DAMAGED_LINE,
    NO_PICTURE,
    Pictures,
    captions,
    first_file,
    json_lines,
    layout_error,
    open_root,
)

NAME = "xm3600"
_LICENCE = "CC-BY-2.0+CC-BY-4.0"
_CREDIT = "Open Images; Crossmodal-3600"
_LOCALES = """
ar bn cs da de el en es fa fi fil fr he hi hr hu id it ja ko mi nl no pl pt quz ro ru sv sw te th tr uk vi zh
"""

_ABOUT = About(
    title="Crossmodal-3600",
    homepage="https://google.github.io/crossmodal-3600/",
    licences=("CC-BY-2.0", "CC-BY-4.0"),
    citation="Ashish V. Thapliyal, Jordi Pont-Tuset, Xi Chen, Radu Soricut. Crossmodal-3600: A Massively Multilingual "
    "Multimodal Evaluation Dataset. EMNLP 2022.",
    pictures="Photographs of Open Images (CC BY 2.0), in upstream's images.tgz or in the Hub's Parquet files.",
    locales=tuple(_LOCALES.split()),
    pointed=Pointed(
        "folder",
        "captions.jsonl beside images/ (images.tgz unpacked, or images.tar), or a download of mteb/xm3600 "
        "with data/LANGUAGE-00000-of-NNNNN.parquet.",
        Hub("mteb/xm3600", "536cd45bbfe53de9b08c0483bb4a76a4bd3673fa", (SPLIT_FILES, "data/en-*.parquet")),
    ),
)
_TABLES = Tables(NAME, _ABOUT, _LICENCE, _CREDIT)


class XM3600:
    """See the module's docstring."""

    about = _ABOUT

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, _ABOUT, locale, files)
        table = first_file(root, "captions.jsonl", "captions/captions.jsonl")
        if table:
            return _upstream(table, root, locale, log)
        if not _TABLES.found(root):
            raise layout_error(NAME, _ABOUT, root, "there is neither captions.jsonl nor data/*.parquet")
        return _TABLES.examples(locale, files, log)


def _upstream(table: Path, root: Path, locale: str, log: DropLog) -> Iterator[Example]:
    pictures = Pictures(root, ("images", ""), ("images.tar",))
    authors = _authors(root / "image_attributions.csv")
    packed = root / "images.tgz"
    if packed.is_file() and not (root / "images").is_dir():
        raise UserError(f"{packed} must be unpacked: mkdir images; tar -xzf images.tgz -C images")
    for number, line in json_lines(table, NAME, log):
        key, own = line.get("image/key"), line.get(locale)
        if not isinstance(key, str) or not isinstance(own, dict):
            log.drop(NAME, f"{table.name}:{number}", DAMAGED_LINE)
            continue
        picture = pictures.find(key)
        if picture is None:
            log.drop(NAME, key, NO_PICTURE)
            continue
        english = line.get("en")
        yield Example(
            picture=picture,
            captions=captions(own.get("caption")),
            captions_en=captions(english.get("caption")) if isinstance(english, dict) else (),
            concept=f"{NAME}-{key}",
            source=NAME,
            licence=_LICENCE,
            attribution=f"{authors[key]}; {_CREDIT}" if key in authors else _CREDIT,
            split="test",
        )


def _authors(path: Path) -> dict[str, str]:
    """Photographers by image id, as far as the file can be read; none if it or its column Author is not there."""
    if not path.is_file():
        return {}
    found = {}
    with path.open(encoding="utf-8", errors="replace", newline="") as file, suppress(csv.Error):
        for row in csv.DictReader(file):
            if row.get("ImageID") and row.get("Author"):
                found[row["ImageID"]] = row["Author"]
    return found


SOURCE = XM3600()
