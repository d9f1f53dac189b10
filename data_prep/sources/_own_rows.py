"""From rows of the user's own tables to Examples, in flat memory.

Rows of one picture become one Example. Where they follow each other, as is usual, one picture is held in memory at a
time. A first pass over the table (without pictures) finds the pictures whose rows are scattered, by 8 bytes a picture;
their captions alone are gathered, and their Examples come last. What is streamed cannot be read twice, so there only
rows that follow each other are joined.
"""

from __future__ import annotations

import hashlib
import os.path
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from data_prep.errors import UserError
from data_prep.records import Cell, DropLog, Example, Picture
from data_prep.sources._layout import NO_PICTURE, is_there
from data_prep.sources._own_columns import Columns, licence_id, plain, text, texts
from data_prep.sources._own_language import RowLanguages, Tongue
from data_prep.sources._own_splits import decided, split_of
from data_prep.sources._own_tables import Table

NO_TEXT = "the caption is neither a text nor a list of texts"
NO_NAME = "the row names no picture"
IS_URL = "the picture is a web address: download it first"
OUTSIDE = "the picture's path leads out of the folder"

_FIRST = 100


@dataclass(frozen=True, slots=True)
class Part:
    """A table, and what is known of all its rows.

    Attributes:
        table: the rows.
        columns: what its columns hold.
        root: the data set's folder; names of pictures and tables are relative to it.
        folder: where paths of pictures start.
        within: whether paths may not leave root, and root's folders name splits.
        split: of all rows, where no column says it.
    """

    table: Table
    columns: Columns
    root: Path
    folder: Path
    within: bool = False
    split: str = ""

    def relative(self, path: Path | str) -> PurePath:
        """A path from the data set's folder."""
        return PurePath(os.path.relpath(path, self.root))

    def label(self, number: int) -> str:
        """A row's name, under which a person finds it again."""
        return f"{self.relative(self.table.path).as_posix()}:{number}"

    def name(self, number: int) -> str:
        """A row's name in place of its picture's, where that has none."""
        return f"{self.relative(self.table.path).with_suffix('').as_posix()}/{number}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a row's picture is, or the reason why it is of no use; `missing` says how its path was made."""

    picture: Picture | None
    key: str
    name: str
    reason: str = ""
    missing: str = ""


@dataclass(slots=True)
class _Group:
    """What the rows of one picture say."""

    part: Part
    place: _Place
    cells: Mapping[str, Any]
    captions: dict[str, None] = field(default_factory=dict)
    english: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _FirstPictures:
    """Complains if most of the first pictures are missing: then the paths are wrong, and not the pictures."""

    seen: int = 0
    missing: int = 0
    first: str = ""

    def note(self, place: _Place) -> None:
        if self.seen < _FIRST and (place.missing or isinstance(place.picture, Path)):
            self.seen += 1
            self.missing += bool(place.missing)
            self.first = self.first or place.missing
            if self.seen == _FIRST:
                self.settle()

    def settle(self) -> None:
        if self.missing * 2 > self.seen:
            raise UserError(f"{self.missing} of the first {self.seen} pictures are not there. The first: {self.first}")


def walk(source: str, parts: Sequence[Part], tongue: Tongue, attribution: str, log: DropLog) -> Iterator[Example]:
    """Yields an Example for each picture of the tables that has a row in the language, or one in English.

    Args:
        source: the source's name.
        parts: the tables; all are one data set.
        tongue: the language.
        attribution: whom to credit where no column says it.
        log: told of every row whose picture cannot be had, and, by language, of rows in others.

    Raises:
        UserError: most of the first pictures are missing, or no row is in the language.
    """
    scattered, own_splits = _survey(parts, tongue)
    current: _Group | None = None
    late: dict[str, _Group] = {}
    languages = RowLanguages(tongue)
    first = _FirstPictures()
    place = _Place(None, "", "")
    for part in parts:
        for number, cells in part.table.rows(part.columns.wanted):
            if isinstance(cells, str):
                log.drop(source, part.label(number), cells)
                continue
            if not (role := _role(part.columns, cells, languages)):
                continue
            key = _key(part, cells)
            if not key or key != place.key:
                place = _locate(part, number, cells, key)
                first.note(place)
            try:
                captions, in_english = _captions(part.columns, cells, role)
            except ValueError:
                log.drop(source, place.name, NO_TEXT)
                continue
            if place.picture is None:
                log.drop(source, place.name, place.reason, next(iter((*captions, *in_english)), ""))
                continue
            if key and scattered and _digest(key) in scattered:
                group = late.setdefault(key, _Group(part, place, cells))
            else:
                if current and place is not current.place:
                    yield _example(source, current, attribution, own_splits)
                    current = None
                group = current = current or _Group(part, place, cells)
            group.captions.update(dict.fromkeys(captions))
            group.english.update(dict.fromkeys(in_english))
    for group in (*([current] if current else []), *late.values()):
        yield _example(source, group, attribution, own_splits)
    first.settle()
    languages.tell(source, parts[0].table.path, log)


def _role(columns: Columns, cells: Mapping[str, Any], languages: RowLanguages) -> str:
    return languages.role(columns.language, text(cells.get(columns.language))) if columns.language else "caption"


def _captions(columns: Columns, cells: Mapping[str, Any], role: str) -> tuple[list[str], list[str]]:
    captions = [t for column in columns.caption for t in texts(cells.get(column))]
    in_english = [t for column in columns.english for t in texts(cells.get(column))]
    return ([], captions) if role == "english" else (captions, in_english)


def _value(part: Part, cells: Mapping[str, Any]) -> Any:
    """A picture's path or bytes, where they are in the row; of a struct that has both, the bytes."""
    value = cells.get(part.columns.picture)
    if isinstance(value, dict):
        return value["bytes"] if value.get("bytes") is not None else value.get("path")
    return value


def _key(part: Part, cells: Mapping[str, Any]) -> str:
    """What two rows of one picture have in common: its path, or its id where pictures have none; empty if unknown."""
    value = _value(part, cells)
    if isinstance(value, str) and value.strip():
        return os.path.normpath(part.folder / value.strip())
    # An "id" may be the row's; an "image_id" is the picture's. Splits may count from 0 each.
    ident = text(cells.get(part.columns.id)) if plain(part.columns.id) not in {"", "id", "key"} else ""
    return f"{part.split} {ident}" if ident else ""


def _locate(part: Part, number: int, cells: Mapping[str, Any], key: str) -> _Place:
    column = part.columns.picture
    ident = text(cells.get(part.columns.id)) if part.columns.id else ""
    if ident and part.split:
        ident = f"{part.split}/{ident}"
    if column in part.table.pictures and column not in cells:
        return _Place(Cell(part.table.path, number, column), key, ident or part.name(number))
    value = _value(part, cells)
    if isinstance(value, bytes):
        return _Place(value, key, ident or part.name(number))
    value = value.strip() if isinstance(value, str) else ""
    if not value:
        return _Place(None, key, part.label(number), NO_NAME)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", value):
        return _Place(None, key, value, IS_URL)
    path = Path(os.path.normpath(part.folder / value))
    if "\\" in value and not is_there(path):
        path = Path(os.path.normpath(part.folder / value.replace("\\", "/")))
    name = part.relative(path)
    if part.within and name.parts[:1] == ("..",):
        return _Place(None, key, value, OUTSIDE)
    if not is_there(path):
        missing = (
            f"{path}, made of the folder {part.folder} and of {value!r} in the column {column!r} of "
            f"{part.table.path.name}. Move the pictures there, mend the column, or name another: --column picture=NAME"
        )
        return _Place(None, key, name.as_posix(), NO_PICTURE, missing)
    return _Place(path, key, ident or name.with_suffix("").as_posix())


def _split(group: _Group) -> str:
    part, column = group.part, group.part.columns.split
    said = (split_of([text(group.cells[column])]) if column else "") or part.split
    if not said and part.within and isinstance(group.place.picture, Path):
        said = split_of(part.relative(group.place.picture).parent.parts)
    return said


def _example(source: str, group: _Group, attribution: str, keep_split: bool) -> Example:
    columns, cells = group.part.columns, group.cells
    return Example(
        picture=group.place.picture or b"",
        captions=tuple(group.captions),
        captions_en=tuple(group.english),
        concept=f"{source}-{group.place.name}",
        source=source,
        category=text(cells.get(columns.category)) if columns.category else "",
        licence=licence_id(text(cells.get(columns.licence)) if columns.licence else ""),
        attribution=(text(cells.get(columns.attribution)) if columns.attribution else "") or attribution,
        split=_split(group) if keep_split else "",
    )


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _survey(parts: Sequence[Part], tongue: Tongue) -> tuple[frozenset[int], bool]:
    """Digests of pictures whose rows are scattered, and whether the data set has splits of its own."""
    known = {part.split for part in parts}
    languages = RowLanguages(tongue)
    starts = array("Q")
    before = ""
    for part in parts:
        if not part.table.twice:
            continue
        columns = part.columns
        wanted = [c for c in (columns.picture, columns.id, columns.language, columns.split) if c]
        for _, cells in part.table.rows(list(dict.fromkeys(wanted))):
            if isinstance(cells, str) or not _role(columns, cells, languages):
                continue
            key = _key(part, cells)
            if key and key != before:
                starts.append(_digest(key))
            before = key
            if columns.split:
                known.add(split_of([text(cells[columns.split])]))
            if part.within and key:
                known.add(split_of(part.relative(key).parent.parts))
    digests, times = np.unique(np.frombuffer(starts, np.uint64), return_counts=True)
    return frozenset(digests[times > 1].tolist()), decided(known)
