"""A prepared data set as training and evaluation see it: rows, entries and sampled captions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep import shards
from data_prep.errors import UserError
from data_prep.languages import load_language
from data_prep.pictures import image_id_of
from data_prep.pipeline import read_manifest, split_files

SPLITS = ("train", "validation", "test")
MAX_KEYWORDS = 4
_COLUMNS = ["image_id", "captions", "keywords", "captions_en", "concept", "source", "variant", "category"]


@dataclass(frozen=True, slots=True)
class Row:
    """One picture with its captions; the picture's bytes stay on disk."""

    image_id: str
    captions: tuple[str, ...]
    keywords: tuple[str, ...]
    captions_en: tuple[str, ...]
    concept: str
    source: str
    variant: str
    category: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """Pictures that share their captions: one emoji by several vendors, or one photograph.

    Attributes:
        captions: whole captions, the first being the main one.
        keywords: words of which several make a caption too.
        concept: what is shown; entries of one concept are never each other's negatives.
        rows: places of its pictures in the split.
        english: the captions of its first picture in English, where there are any.
        language: the captions' language.
    """

    captions: tuple[str, ...]
    keywords: tuple[str, ...]
    concept: str
    rows: tuple[int, ...]
    english: tuple[str, ...] = ()
    language: str = ""


def manifest(folder: Path, lang: str) -> dict[str, Any]:
    """The manifest of a language's data set.

    Raises:
        UserError: the folder holds none, or one of another language; or there is no such language.
    """
    try:
        found = read_manifest(folder)
    except UserError:
        if folder.is_dir():
            raise
        load_language(lang)
        raise UserError(f"There is no data set in {folder}. Prepare it first: `mlilt prep --lang {lang}`.") from None
    if found["language"] != lang:
        raise UserError(f"{folder} holds {found['language']!r}, not {lang!r}. Name another --data.")
    return found


def read_rows(folder: Path, split: str, language: str = "") -> list[Row]:
    """All rows of a split, without pictures.

    Args:
        folder: the data set's.
        split: train, validation or test.
        language: its language, for the rows to tell.

    Raises:
        UserError: the file is missing or damaged.
    """
    files = split_files(folder, split)
    if not files:
        raise UserError(f"{folder / 'data'} has no file of the split {split}. Run `mlilt prep` again with --force.")
    table = pa.concat_tables(shards.read(file, _COLUMNS) for file in files)
    lists = {"captions", "keywords", "captions_en"}
    columns = [[tuple(v) for v in table[c].to_pylist()] if c in lists else table[c].to_pylist() for c in _COLUMNS]
    columns.append([language] * len(table))
    return [Row(*values) for values in zip(*columns, strict=True)]


def texts(rows: Iterable[Row]) -> list[str]:
    """All captions and keywords, the English captions too, each once: what a vocabulary must cover."""
    return list(dict.fromkeys(text for row in rows for text in (*row.captions, *row.keywords, *row.captions_en)))


def without(rows: Sequence[Row], categories: Sequence[str]) -> list[Row]:
    """The rows whose concept is in none of some categories, by any source."""
    held_out = {row.concept for row in rows if row.category in categories}
    return [row for row in rows if row.concept not in held_out]


def fewer(rows: Sequence[Row], concepts: int, seed: int) -> list[Row]:
    """The rows of some concepts alone, in order.

    The first n concepts of a seed are among its first n + 1, so that sets of several sizes lie within each other; and
    they are the same ones in every language that has them.

    Raises:
        UserError: there are not so many.
    """
    there = {row.concept for row in rows}
    if concepts > len(there):
        raise UserError(f"The training split has {len(there)} concepts, not {concepts}. Use --concepts {len(there)}.")

    def place(concept: str) -> str:
        return hashlib.sha256(f"{seed} {concept}".encode()).hexdigest()

    chosen = set(sorted(there, key=place)[:concepts])
    return [row for row in rows if row.concept in chosen]


def read_pictures(folder: Path, split: str, wanted: set[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """(image id, encoded picture) of a split, in order; of `wanted` image ids alone if given.

    Raises:
        UserError: a file is damaged, or a picture is gone.
    """
    # Pictures that several data sets share lie in a folder of their own.
    stored = read_manifest(folder)["images"]
    for path in split_files(folder, split):
        for batch in shards.batches(path, ["image_id", "image"], 64):
            for image_id, image in zip(batch["image_id"].to_pylist(), batch["image"], strict=True):
                if wanted is not None and image_id not in wanted:
                    continue
                kept = image["path" if stored else "bytes"].as_py()
                yield image_id, _stored(folder / stored / kept, image_id) if stored else kept


def _stored(path: Path, image_id: str) -> bytes:
    try:
        found = path.read_bytes()
    except OSError as error:
        raise UserError(f"A picture of the data set is gone: {error}. Run `mlilt prep` again with --force.") from error
    if image_id_of(found) != image_id:
        raise UserError(f"{path} is not the picture that was prepared. Remove it and run `mlilt prep` with --force.")
    return found


def entries(rows: Sequence[Row]) -> list[Entry]:
    """Groups rows that share language, concept and captions, in order of first appearance."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault((row.captions, row.keywords, row.concept, row.language), []).append(place)
    firsts = [(rows[places[0]], tuple(places)) for places in groups.values()]
    return [Entry(r.captions, r.keywords, r.concept, places, r.captions_en, r.language) for r, places in firsts]


def sample_caption(entry: Entry, keyword_share: float, random: np.random.Generator) -> str:
    """One caption of an entry: a whole one, or with probability `keyword_share` one to four keywords."""
    if entry.keywords and random.random() < keyword_share:
        count = int(random.integers(1, min(len(entry.keywords), MAX_KEYWORDS) + 1))
        chosen = random.choice(len(entry.keywords), size=count, replace=False)
        return ", ".join(entry.keywords[i] for i in chosen)
    return entry.captions[int(random.integers(len(entry.captions)))]


def draws(entry: Entry, pictures_per_caption: int, random: np.random.Generator) -> list[tuple[int, ...]]:
    """An entry's pictures, shuffled, in groups that share one caption; each picture is in exactly one."""
    order = random.permutation(len(entry.rows))
    starts = range(0, len(order), pictures_per_caption)
    return [tuple(entry.rows[i] for i in order[s : s + pictures_per_caption]) for s in starts]
