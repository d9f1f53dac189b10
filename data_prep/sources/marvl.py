"""MaRVL: photographs that native speakers chose for concepts of their culture, in five languages (evaluation only).

MaRVL's statements (marvl-annotations/marvl-LANGUAGE.jsonl) are each about two pictures, and say what is true of the
pair ("both show ...", "the left one ..."), so no true caption of a single picture can be got out of them; they are left
out. What is used is what people said of single pictures: the concept that a picture was collected for, written in the
language, such as "Burung gereja" of marvl-images/id/images/1-Burung_gereja/. All pictures of a concept share its name
and its concept id, so they are never told apart by their captions.

Read from the published folders (pictures in images/ and, not used for statements, extra/), or from the Hub's
floschne/marvl, where a picture comes in several rows and is taken from the first. There are no English names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.records import Cell, DropLog, Example
from data_prep.sources._base import About, Hub, Pointed
from data_prep.sources._hub import SPLIT_FILES, rows, shards
from data_prep.sources._layout import layout_error, open_root

NAME = "marvl"
_PICTURES = "LicenseRef-MaRVL-images-research-only"
_CONCEPT = re.compile(r"(\d+)-(.+)")
_SIDES = (("left_img_id", "left_img"), ("right_img_id", "right_img"))

_ABOUT = About(
    title="MaRVL, Multicultural Reasoning over Vision and Language",
    homepage="https://marvl-challenge.github.io",
    licences=(_PICTURES, "CC-BY-4.0"),
    citation="Fangyu Liu, Emanuele Bugliarello, Edoardo Maria Ponti, Siva Reddy, Nigel Collier, Desmond Elliott. "
    "Visually Grounded Reasoning across Languages and Cultures. EMNLP 2021.",
    pictures="Photographs from the web, for research that is not commercial, to be had from MaRVL's Dataverse page or "
    "in the Hub's Parquet files.",
    locales=("id", "sw", "ta", "tr", "zh"),
    pointed=Pointed(
        "folder",
        "marvl-images/LANGUAGE/images/CONCEPT/NUMBER.jpg as published, or a download of floschne/marvl with "
        "data/LANGUAGE-00000-of-NNNNN.parquet.",
        Hub("floschne/marvl", "d25b0dc0bce9d8e9b56bf666d3442dc907180667", (SPLIT_FILES,)),
    ),
)


class Marvl:
    """See the module's docstring."""

    about = _ABOUT

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, _ABOUT, locale, files)
        folders = (root / "marvl-images" / locale, root / locale)
        folder = next((f for f in folders if (f / "images").is_dir()), None)
        if folder:
            return _upstream(folder, locale, log)
        if not shards(root, SPLIT_FILES.format(locale=locale)):
            missing = f"there is neither marvl-images/{locale}/images/ nor data/{locale}-*.parquet"
            raise layout_error(NAME, _ABOUT, root, missing)
        return _hub(root, locale, log)


def _example(picture: Path | Cell, locale: str, concept: str, variant: str, category: str) -> Example | None:
    match = _CONCEPT.fullmatch(concept)
    name = match[2].replace("_", " ").strip() if match else ""
    if match is None or not name:
        return None
    return Example(
        picture=picture,
        captions=(name,),
        concept=f"{NAME}-{locale}-{match[1]}",
        source=NAME,
        category=category,
        variant=variant.rsplit(".", 1)[0],
        licence=f"{_PICTURES}+CC-BY-4.0",
        attribution="MaRVL",
        split="test",
    )


_NAMELESS = "the concept's folder has no name behind its number"


def _number(path: Path) -> tuple[int, str]:
    match = re.match(r"\d+", path.name)
    return (int(match[0]) if match else -1, path.name)


def _upstream(folder: Path, locale: str, log: DropLog) -> Iterator[Example]:
    for part in (folder / "images", folder / "extra"):
        concepts = sorted((p for p in part.glob("*") if p.is_dir()), key=_number)
        for concept in concepts:
            for path in sorted(concept.iterdir()):
                if path.suffix.lower() not in {".jpg", ".jpeg", ".png"}:
                    log.drop(NAME, f"{concept.name}/{path.name}", "the file is no picture")
                    continue
                example = _example(path, locale, concept.name, f"{part.name}/{path.name}", "")
                if example is None:
                    log.drop(NAME, f"{concept.name}/{path.name}", _NAMELESS)
                else:
                    yield example


def _hub(root: Path, locale: str, log: DropLog) -> Iterator[Example]:
    seen: set[tuple[str, str]] = set()
    columns = ("concept", "chapter", *(column for column, _ in _SIDES))
    for path, number, row in rows(root, SPLIT_FILES.format(locale=locale), columns, NAME, log):
        concept = row["concept"] or ""
        for id_column, column in _SIDES:
            image = row[id_column] or ""
            if (concept, image) in seen:
                continue
            seen.add((concept, image))
            example = None
            if image:
                variant = f"images/{image.rsplit('/', 1)[-1]}"
                example = _example(Cell(path, number, column), locale, concept, variant, row["chapter"] or "")
            if example is None:
                reason = _NAMELESS if image else "the row has no image id"
                log.drop(NAME, f"{concept}/{image}", reason)
            else:
                yield example


SOURCE = Marvl()
