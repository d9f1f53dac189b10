"""WIT: pictures of Wikipedia with the captions below them, in 108 languages by Wikipedia's codes.

Read from the Hub's mteb/wit (the test part of the IGLUE benchmark, pictures included: ar bg da el en et id ja ko tr
vi), or from upstream's tables wit_v1.SPLIT.all-NNNNN-of-NNNNN.tsv.gz. Those hold addresses, no pictures: the pictures
of the rows that are wanted must lie in images/, as `wget -x` lays them down (images/upload.wikimedia.org/wikipedia/...)
or by their file names. The caption is `caption_reference_description`, the text below the picture on the page; a
picture that is on several pages comes once for each. No English captions are given for upstream's tables, for they
would have to be searched for in all of them. Hebrew is `iw`, Filipino `fil`; codes that `about.locales` lacks are
read just so.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from data_prep.records import DropLog, Example
from data_prep.sources._base import About, Hub, Pointed
from data_prep.sources._hub import SPLIT_FILES, Tables
from data_prep.sources._layout import (
    DAMAGED_FILE,
    DAMAGED_LINE,
    NO_PICTURE,
    captions,
    is_there,
    layout_error,
    open_folder,
)

NAME = "wit"
_LICENCE = "LicenseRef-Wikimedia-Commons+CC-BY-SA-3.0"
_CREDIT = "Wikipedia and Wikimedia Commons contributors; WIT"
_PATTERN = "wit_v1.*.tsv*"
_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_CAPTION = "caption_reference_description"
_LOCALES = """
af an ar arz ast az azb ba bar be bg bn br bs ca ce ceb ckb cs cv cy da de el en eo es et eu fa fi fil fr fy ga gl hi hr
hsb ht hu hy ia id io is it iw ja jv ka kk kn ko la lah lb lmo lt lv mg mk ml mn mr ms my nan nds ne nl nn no nv oc pa
pl pt qu ro ru sco si sk sl sq sr sr-Latn sv sw ta te tg th tr tt uk ur uz vec vi vo war xmf yue zh zh-TW
"""

_ABOUT = About(
    title="WIT, the Wikipedia-based image text data set",
    homepage="https://github.com/google-research-datasets/wit",
    licences=tuple(_LICENCE.split("+")),
    citation="Krishna Srinivasan, Karthik Raman, Jiecao Chen, Michael Bendersky, Marc Najork. WIT: Wikipedia-based "
    "Image Text Dataset for Multimodal Multilingual Machine Learning. SIGIR 2021.",
    pictures="In the Hub's Parquet files; for upstream's tables they must be fetched from Wikimedia, by the addresses "
    "in image_url.",
    locales=tuple(_LOCALES.split()),
    pointed=Pointed(
        "folder",
        "a download of mteb/wit with data/LANGUAGE-00000-of-NNNNN.parquet; or upstream's "
        "wit_v1.SPLIT.all-NNNNN-of-NNNNN.tsv.gz beside images/ with the pictures fetched by image_url.",
        Hub("mteb/wit", "91ac153f1371a98b209ed763205e25e115ecd06e", (SPLIT_FILES, "data/en-*.parquet")),
    ),
)
_TABLES = Tables(NAME, _ABOUT, _LICENCE, _CREDIT)


class Wit:
    """See the module's docstring."""

    about = _ABOUT

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_folder(NAME, _ABOUT, files)
        if _TABLES.found(root):
            return _TABLES.examples(locale, files, log)
        tables = sorted(root.glob(_PATTERN))
        if not tables:
            raise layout_error(NAME, _ABOUT, root, f"there is neither data/*.parquet nor {_PATTERN}")
        return _upstream(root, tables, locale, log)


def _upstream(root: Path, tables: list[Path], locale: str, log: DropLog) -> Iterator[Example]:
    for path in tables:
        split = _SPLITS.get(path.name.split(".")[1], "")
        for number, row in _lines(path, log):
            if row.get("language") != locale:
                continue
            address = row.get("image_url")
            parts = _parts(address)
            if not address or parts is None or row.get(_CAPTION) is None:
                log.drop(NAME, f"{path.name}:{number}", DAMAGED_LINE)
                continue
            picture = _picture(root / "images", parts)
            if picture is None:
                log.drop(NAME, address, NO_PICTURE)
                continue
            yield Example(
                picture=picture,
                captions=captions(row[_CAPTION]),
                concept=f"{NAME}-{unquote(parts.path).removeprefix('/wikipedia/')}",
                source=NAME,
                licence=_LICENCE,
                attribution=f"{_CREDIT}; {row.get('page_url') or address}",
                split=split,
            )


def _lines(path: Path, log: DropLog) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (row number from 1, row by column). A row may stretch over lines, in quotes."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
            yield from enumerate(csv.DictReader(file, delimiter="\t"), 1)
    except (OSError, EOFError, zlib.error, csv.Error):
        log.drop(NAME, path.name, DAMAGED_FILE)


def _parts(address: str | None) -> SplitResult | None:
    try:
        return urlsplit(address or "")
    except ValueError:  # "Invalid IPv6 URL" and its like
        return None


def _picture(images: Path, parts: SplitResult) -> Path | None:
    host, below = parts.netloc, parts.path.lstrip("/")
    name = below.rsplit("/", 1)[-1]
    # wget keeps the address's escapes or not, as it is told.
    for relative in (f"{host}/{below}", f"{host}/{unquote(below)}", name, unquote(name)):
        path = images / relative.lstrip("/")
        if ".." not in path.parts and is_there(path):
            return path
    return None


SOURCE = Wit()
