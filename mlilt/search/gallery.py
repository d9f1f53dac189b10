"""Where pictures to search lie: a folder of files, or a prepared data set."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from data_prep import shards
from data_prep.errors import UserError
from data_prep.picture_files import KINDS, SAVE_AS, UNREADABLE, walk
from data_prep.pictures import CANNOT_BE_READ, PictureError
from data_prep.pipeline import MANIFEST, read_manifest, split_files
from data_prep.records import Cell, Picture


class Stamp(NamedTuple):
    """What of a file changes when its content does; the time of its status cannot be set back by programs."""

    size: int
    modified_ns: int
    status_ns: int


_UNKNOWN = Stamp(0, 0, 0)


class Item(NamedTuple):
    """A picture, not yet read.

    Attributes:
        name: how its gallery finds it.
        stamp: tells whether its file was touched; None where `image_id` is known.
        image_id: of its content, where that is known without reading.
        caption, credit: what is said of it, and whom to credit for it.
    """

    name: str
    stamp: Stamp | None = None
    image_id: str = ""
    caption: str = ""
    credit: str = ""


class Gallery(Protocol):
    """Pictures by name."""

    kind: str
    root: Path
    splits: tuple[str, ...]

    def items(self) -> Iterator[Item]:
        """All, in order; some may turn out not to be readable."""
        ...

    def picture(self, name: str) -> Picture:
        """Where one lies.

        Raises:
            PictureError: it is no longer there, or not of a kind that can be read.
        """
        ...


class Folder:
    """All picture files of a folder and the folders in it; names are paths within it, with slashes."""

    kind = "folder"
    splits: tuple[str, ...] = ()

    def __init__(self, root: Path) -> None:
        self.root = root
        self._wrong: dict[str, str] = {}

    def items(self) -> Iterator[Item]:
        closed: list[OSError] = []
        for folder, names in walk(self.root, closed.append):
            for name in names:
                if name.lower().endswith((*KINDS, *UNREADABLE)):
                    yield self._item(folder / name)
        for error in closed:
            inside = f"{self._named(Path(error.filename))}/"
            self._wrong[inside] = f"{CANNOT_BE_READ}: {error.strerror}"
            yield Item(inside, _UNKNOWN)

    def picture(self, name: str) -> Path:
        if name in self._wrong:
            raise PictureError(self._wrong[name])
        if name.lower().endswith(UNREADABLE):
            raise PictureError(SAVE_AS)
        return self.root / name

    def _item(self, path: Path) -> Item:
        name = self._named(path)
        if (self.root / name) != path:
            self._wrong[name] = "its name is not UTF-8: rename it"
        try:
            told = path.stat()
        except OSError:  # a link to nowhere, or removed just now: reading it says so
            return Item(name, _UNKNOWN)
        return Item(name, Stamp(told.st_size, told.st_mtime_ns, told.st_ctime_ns))

    def _named(self, path: Path) -> str:
        """Its name within the folder; of one that is not UTF-8 what can be written of it."""
        return os.fsencode(path.relative_to(self.root).as_posix()).decode("utf-8", "backslashreplace")


class DataSet:
    """Splits of a prepared data set; names are split and image id, with a slash between."""

    kind = "data"

    def __init__(self, root: Path, splits: Sequence[str] = ()) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._found: dict[str, Path | Cell] | None = None
        self._stored = read_manifest(root)["images"]
        there = [split for split in ("train", "validation", "test") if split_files(root, split)]
        for split in splits:
            if split not in there:
                raise UserError(f"{root} has no split {split!r}. It has: {', '.join(there)}.")
        self.splits = tuple(splits) or tuple(there)

    def items(self) -> Iterator[Item]:
        seen = set()
        for split in self.splits:
            for path in split_files(self.root, split):
                table = shards.read(path, ["image_id", "captions", "licence", "attribution"])
                for image_id, captions, licence, attribution in zip(
                    *(table[column].to_pylist() for column in table.column_names), strict=True
                ):
                    # Several sources may show the same picture.
                    if image_id not in seen:
                        seen.add(image_id)
                        credit = ", ".join(filter(None, (attribution, licence)))
                        yield Item(f"{split}/{image_id}", None, image_id, next(iter(captions), ""), credit)

    def picture(self, name: str) -> Path | Cell:
        if name not in self._places:
            raise PictureError("the picture is no longer in the data set")
        return self._places[name]

    @property
    def _places(self) -> dict[str, Path | Cell]:
        # Several threads of a server may be the first at once.
        with self._lock:
            if self._found is None:
                self._found = self._look()
            return self._found

    def _look(self) -> dict[str, Path | Cell]:
        found: dict[str, Path | Cell] = {}
        for split in self.splits:
            for path in split_files(self.root, split):
                # Where pictures lie beside the tables, the column holds but their paths.
                table = shards.read(path, ["image_id", *(["image"] if self._stored else [])])
                for row, image_id in enumerate(table["image_id"].to_pylist()):
                    where = Cell(path, row, "image")
                    if self._stored:
                        where = self.root / self._stored / table["image"][row]["path"].as_py()
                    found.setdefault(f"{split}/{image_id}", where)
        return found


def find(root: Path, splits: Sequence[str] = ()) -> Gallery:
    """The pictures of a folder, which may be a prepared data set.

    Args:
        root: the folder.
        splits: of a data set, only these.

    Raises:
        UserError: it is not there, or has no such splits.
    """
    if not root.is_dir():
        raise UserError(f"{root} is {'a file' if root.exists() else 'not there'}: name a folder of pictures.")
    if (root / MANIFEST).is_file():
        return DataSet(root, splits)
    if splits:
        raise UserError(f"{root} is a folder of pictures, not a prepared data set: it has no splits.")
    return Folder(root)
