"""The user's own WebDataset shards: --source wds:SHARDS, a folder or a pattern such as "shards-{0000..0012}.tar".

A sample is what follows each other in a tar under one name up to its first dot: 0001.jpg with 0001.txt, or with
0001.json, which is read as a table's row is. Only the tars' headers and the texts are read, not the pictures.
"""

from __future__ import annotations

import json
import os.path
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from glob import glob, has_magic
from pathlib import Path, PurePath
from typing import Any

from data_prep.errors import UserError
from data_prep.picture_files import KINDS
from data_prep.records import DropLog, Example, Slice
from data_prep.sources._base import ROOT, About, Pointed
from data_prep.sources._layout import JSON_ERRORS
from data_prep.sources._own import about_own, attribution_of
from data_prep.sources._own_columns import Columns, find_columns, licence_id, roles, text, texts
from data_prep.sources._own_language import RowLanguages, Tongue
from data_prep.sources._own_rows import NO_TEXT
from data_prep.sources._own_splits import decided, split_of
from data_prep.sources.folder import NOT_UTF8, lines_of
from data_prep.unpack import ARCHIVE_ERRORS

NAME = "wds"
NO_PICTURE = "there is no picture in the sample"
TWICE = "two samples that follow each other have the same name"
DAMAGED_JSON = "the sample's JSON is damaged"
DAMAGED = "the shard is damaged or cut short"

_LAYOUT = (
    'tar files of WebDataset (0001.jpg and 0001.txt or 0001.json in each): a folder, a pattern such as "data/*.tar" or '
    '"shards-{0000..0012}.tar"'
)
_MAX_TEXT = 1024**2
_FIRST = 100
_TEXTS = ("txt", "text", "caption", "captions")
_JSON = ("json", "jsn")
_SHARD = re.compile(r"\.(tar|tgz|tar\.(gz|bz2|xz|zst))$")
_BRACES = re.compile(r"\{([^{}]*)\}")


def expand(pattern: str) -> list[str]:
    """Names that a pattern with braces stands for: "a-{08..11}.tar", "{train,val}.tar"."""
    match = _BRACES.search(pattern)
    if not match:
        return [pattern]
    ends = re.fullmatch(r"(\d+)\.\.(\d+)", match[1])
    if ends:
        first, last = int(ends[1]), int(ends[2])
        width = max(map(len, ends.groups())) if any(e.startswith("0") and len(e) > 1 for e in ends.groups()) else 0
        choices = [f"{n:0{width}}" for n in range(first, last + 1)]
    else:
        choices = match[1].split(",")
    return [name for choice in choices for name in expand(pattern[: match.start()] + choice + pattern[match.end() :])]


def find_shards(pattern: Path) -> list[Path]:
    """The shards of a folder or pattern, in order.

    Raises:
        UserError: there are none, or some of the pattern's are missing.
    """
    if pattern.is_dir():
        found = sorted(path for path in pattern.rglob("*") if _SHARD.search(path.name) and path.is_file())
    else:
        found = []
        for name in expand(str(pattern)):
            # Path.glob takes no absolute pattern.
            names = sorted(glob(name, recursive=True)) if has_magic(name) else [name]  # noqa: PTH207
            found += map(Path, names)
        missing = [path for path in found if not path.is_file()]
        if missing:
            raise UserError(f"{len(missing)} of {len(found)} shards are not there. The first: {missing[0]}")
    if not found:
        raise UserError(f"There is no shard in {pattern}. {NAME} takes {_LAYOUT}.")
    packed = next((path for path in found if not _is_plain(path)), None)
    if packed:
        raise UserError(
            f"{packed} is compressed. Pictures are read where they lie in a shard, which only a plain tar allows, and "
            f"they hardly shrink: gunzip {packed} (or unxz, unzstd), and use the .tar"
        )
    return found


def _is_plain(path: Path) -> bool:
    with path.open("rb") as file:
        return not file.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"))


@dataclass(slots=True)
class _Sample:
    key: str
    pictures: dict[str, Slice] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    twice: bool = False


def _samples(shard: Path, wanted: set[str], log: DropLog) -> Iterator[_Sample]:
    """The samples of a shard; webdataset too passes over names without a dot or like __this__."""
    size = shard.stat().st_size
    current: _Sample | None = None
    try:
        with tarfile.open(shard, "r:") as tar:
            while (member := tar.next()) is not None:
                # The library remembers all members it has seen.
                tar.members = []  # type: ignore[attr-defined]
                name = member.name.removeprefix("./")
                match = re.fullmatch(r"((?:.*/)?[^./]+)\.([^/]*)", name, re.DOTALL)
                if not match or not member.isreg() or re.match(r"__[^/]*__(/|$)", name):
                    continue
                key, kind = match[1], match[2].lower()
                if current is None or key != current.key:
                    if current:
                        yield current
                    current = _Sample(key)
                current.twice |= kind in current.pictures or kind in current.texts
                if member.offset_data + member.size > size:
                    raise tarfile.ReadError("cut short")
                if kind in wanted and member.size <= _MAX_TEXT:
                    current.texts[kind] = tar.extractfile(member).read()  # type: ignore[union-attr]
                elif f".{kind.rsplit('.')[-1]}" in KINDS:
                    current.pictures[kind] = Slice(shard, member.offset_data, member.size)
    except (*ARCHIVE_ERRORS, OSError):
        log.drop(NAME, shard.name, DAMAGED)
        return
    if current:
        yield current


@dataclass(frozen=True, slots=True)
class Wds:
    """See the module's docstring.

    Attributes:
        columns: by role, keys of the samples' JSON, or kinds of their files: picture=seg.png, caption=sw.txt.
    """

    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def about(self) -> About:
        return about_own("Your own WebDataset shards", Pointed("shards", _LAYOUT), "Members of the shards.")

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        where = files[ROOT]
        shards = find_shards(where)
        reader = _Reader(roles(self.columns), Tongue(locale), attribution_of(where), log)
        root = Path(os.path.commonpath([shard.absolute().parent for shard in shards]))
        names = {shard: PurePath(os.path.relpath(shard.absolute(), root)) for shard in shards}
        splits = {shard: split_of(name.parts) for shard, name in names.items()}
        own_splits = decided(splits.values())
        for shard in shards:
            for sample in _samples(shard, reader.wanted, log):
                name = f"{names[shard].with_suffix('').as_posix()}/{sample.key}"
                if example := reader.read(sample, name, splits[shard] if own_splits else ""):
                    yield example
        reader.finish(where)


class _Reader:
    """Makes Examples of samples, and sees whether they have what it takes."""

    def __init__(self, chosen: Mapping[str, str], tongue: Tongue, attribution: str, log: DropLog) -> None:
        self.wanted = {*_TEXTS, *_JSON, *chosen.values()} - {chosen.get("picture")}
        self._chosen = chosen
        self._tongue = tongue
        self._attribution = attribution
        self._log = log
        self._languages = RowLanguages(tongue)
        self._columns: dict[tuple[str, ...], Columns] = {}
        self._first: tuple[str, ...] | None = None
        self._read = 0
        self._lacking = {"picture", "caption"} - {role for role, column in chosen.items() if not column}

    def read(self, sample: _Sample, name: str, split: str) -> Example | None:
        """The sample's Example; None if it goes to the log, or is in another language."""
        try:
            cells = self._cells(sample)
            columns = self._find(tuple(cells))
            picture = self._picture(sample)
            self._seen(sample, cells, columns, picture)
            if picture is None:
                raise _Unusable(NO_PICTURE)
            role = "caption"
            if columns.language:
                role = self._languages.role(columns.language, text(cells[columns.language]))
            if not role:
                return None
            captions = tuple(t for column in columns.caption for t in texts(cells[column]))
            in_english = tuple(t for column in columns.english for t in texts(cells[column]))
        except UnicodeDecodeError:
            self._log.drop(NAME, name, NOT_UTF8)
            return None
        except _Unusable as error:
            self._log.drop(NAME, name, str(error))
            return None
        except ValueError:
            self._log.drop(NAME, name, NO_TEXT)
            return None

        def said(column: str) -> str:
            return text(cells[column]) if column else ""

        return Example(
            picture=picture,
            captions=() if role == "english" else captions,
            captions_en=captions if role == "english" else in_english,
            concept=f"{NAME}-{said(columns.id) or name}",
            source=NAME,
            category=said(columns.category),
            licence=licence_id(said(columns.licence)),
            attribution=said(columns.attribution) or self._attribution,
            split=split,
        )

    def finish(self, where: Path) -> None:
        """Raises UserError if nothing was found, or nothing in the language."""
        if self._first is None:
            raise UserError(f"There is no sample in {where}. {NAME} takes {_LAYOUT}.")
        self._settle()
        self._languages.tell(NAME, where, self._log)

    def _cells(self, sample: _Sample) -> dict[str, Any]:
        """What the sample's texts and JSON say, as a row's cells."""
        if sample.twice:
            raise _Unusable(TWICE)
        cells: dict[str, Any] = {}
        for kind, data in sample.texts.items():
            if kind in _JSON:
                try:
                    record = json.loads(data)
                except JSON_ERRORS:
                    record = None
                if not isinstance(record, dict):
                    raise _Unusable(DAMAGED_JSON)
                cells |= record
        return cells | {kind: list(lines_of(data)) for kind, data in sample.texts.items() if kind not in _JSON}

    def _find(self, names: tuple[str, ...]) -> Columns:
        if names not in self._columns:
            given = {role: column if column in names else "" for role, column in self._chosen.items()}
            beside = next((kind for kind in _TEXTS if kind in names), "")
            if beside:
                given.setdefault("caption", beside)
            # Bounded, since samples may have keys of their own.
            if len(self._columns) > 1000:
                self._columns.clear()
            self._columns[names] = find_columns(names, given | {"picture": ""}, self._tongue, NAME, needs=())
        return self._columns[names]

    def _picture(self, sample: _Sample) -> Slice | None:
        if kind := self._chosen.get("picture"):
            return sample.pictures.get(kind)
        # "seg.png" and the like are something else than the picture.
        return next((place for kind, place in sorted(sample.pictures.items()) if "." not in kind), None)

    def _seen(self, sample: _Sample, cells: Mapping[str, Any], columns: Columns, picture: Slice | None) -> None:
        """Notes what samples have, and complains if none of the first has a picture, or none a caption."""
        self._first = self._first or (*sample.pictures, *cells)
        self._read += 1
        if picture:
            self._lacking.discard("picture")
        if columns.caption:
            self._lacking.discard("caption")
        if self._read == _FIRST:
            self._settle()

    def _settle(self) -> None:
        for role in sorted(self._lacking):
            raise UserError(
                f"Which part of a sample holds the {role}? The first one has {', '.join(self._first or ())}. Say it "
                f"with --column, for example: --column {role}={(self._first or ('NAME',))[-1]}"
            )


class _Unusable(Exception):
    """A sample that is left out; the message is the reason."""


SOURCE = Wds()
