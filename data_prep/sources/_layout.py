"""What sources share that read what the user points to: the folder, its error, its lines, captions and pictures."""

from __future__ import annotations

import csv
import gzip
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from data_prep.errors import UserError
from data_prep.records import DropLog, Picture, Slice
from data_prep.sources._base import ROOT, About
from data_prep.unpack import ARCHIVE_ERRORS

# Fixed phrases, since drops are counted by their reason.
NO_PICTURE = "the picture is not in the folder"
NO_NAME = "the line names no picture"
DAMAGED_LINE = "the line is damaged or incomplete"
DAMAGED_FILE = "the file is damaged or cut short"

# What is raised at text that is no JSON, or no UTF-8 (a ValueError too), or nested too deep.
JSON_ERRORS = (ValueError, RecursionError)

# Characters of a cell of CSV: more than any caption, less than memory. The module's own limit is 131,072.
_LONGEST_CELL = 16 * 1024**2
csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".JPG", ".JPEG", ".PNG")


def layout_error(name: str, about: About, root: Path, missing: str) -> UserError:
    """The error for a folder that is not what the source expects; `missing` says what is not in it."""
    return UserError(f"{name}: {missing} in {root}. {_reads(about)}")


def _reads(about: About) -> str:
    layout = about.pointed.layout if about.pointed else "nothing of yours"
    return f"It reads {layout.rstrip('.')}."


def open_folder(name: str, about: About, files: Mapping[str, Path]) -> Path:
    """The folder the user points to, whatever the language.

    Raises:
        UserError: it is not a folder.
    """
    root = files[ROOT]
    if not root.is_dir():
        raise UserError(f"{name}: {root} is not a folder. {_reads(about)}")
    return root


def open_root(name: str, about: About, locale: str, files: Mapping[str, Path]) -> Path:
    """The folder the user points to.

    Raises:
        UserError: it is not a folder, or the source has no such language.
    """
    check_locale(name, about, locale)
    return open_folder(name, about, files)


def check_locale(name: str, about: About, locale: str) -> None:
    """Raises UserError if the source says which languages it has, and this is none of them."""
    if about.locales and locale not in about.locales:
        raise UserError(f"{name} has no language {locale!r}. It has {', '.join(about.locales)}.")


def is_there(path: Path) -> bool:
    """Whether a file lies there. Names come from tables, and what no file can be called is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def first_file(root: Path, *names: str) -> Path | None:
    """The first of the files, named from `root`, that is there; a name may be a glob (of its files the first)."""
    for name in names:
        for path in sorted(root.glob(name)):
            if is_there(path):
                return path
    return None


def captions(value: object) -> tuple[str, ...]:
    """Captions of a JSON value or a table's cell: a string, a list of strings or nothing. Empty ones are left out."""
    found = [value] if isinstance(value, str) else value if isinstance(value, Iterable) else ()
    return tuple(text.strip() for text in found if isinstance(text, str) and text.strip())


def json_lines(path: Path, source: str, log: DropLog) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number from 1, object) of a JSON Lines file, one line in memory at a time.

    Empty lines are passed over; those that are no JSON object in UTF-8 go to the log.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except JSON_ERRORS:
                found = None
            if isinstance(found, dict):
                yield number, found
            else:
                log.drop(source, f"{path.name}:{number}", DAMAGED_LINE)


def text_lines(path: Path) -> list[str]:
    """The lines of a text file in UTF-8, or of one packed by gzip; line n is caption n, so none is left out.

    Only line feeds end lines: U+2028, U+0085 and the like occur within captions. Bytes that are not UTF-8 become
    U+FFFD.

    Raises:
        UserError: the file cannot be unpacked.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"{path}: {DAMAGED_FILE}. Get it once more.") from error
    lines = data.decode("utf-8-sig", "replace").split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.strip() for line in lines]


def aligned(names: Path, texts: Path) -> list[tuple[str, str]]:
    """Pairs of (picture name, caption) of two files that belong together line by line.

    Raises:
        UserError: they do not have the same number of lines. Captions would go to other pictures then.
    """
    left, right = text_lines(names), text_lines(texts)
    if len(left) != len(right):
        raise UserError(
            f"{names} has {len(left)} lines and {texts} has {len(right)}, but line by line they belong together. "
            "Get both from the same version."
        )
    return list(zip(left, right, strict=True))


class Pictures:
    """Finds pictures by name without suffix, in folders below `root` or in a tar archive that is not compressed.

    The first place that has the picture counts. An archive's names are held in memory, its pictures are not read.
    """

    def __init__(self, root: Path, folders: Iterable[str], archives: Iterable[str] = ()) -> None:
        self._folders = [folder for name in folders if (folder := root / name).is_dir()]
        self._packed: dict[str, Slice] = {}
        for path in (root / name for name in archives):
            if is_there(path):
                self._packed |= _members(path)

    def find(self, name: str) -> Picture | None:
        """Where the picture is, or None. A name that leads to another folder is never found."""
        if name != Path(name).name:
            return None
        for folder in self._folders:
            for suffix in _SUFFIXES:
                if is_there(path := folder / f"{name}{suffix}"):
                    return path
        return self._packed.get(name)


def _members(path: Path) -> dict[str, Slice]:
    try:
        with tarfile.open(path, "r:") as tar:
            return {
                Path(member.name).stem: Slice(path, member.offset_data, member.size) for member in tar if member.isreg()
            }
    except (*ARCHIVE_ERRORS, OSError) as error:
        raise UserError(f"{path} is not a tar archive, or is cut short. Get it once more.") from error
