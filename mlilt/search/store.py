"""An index on disk: what it is of, its vectors, and a table of its pictures.

A change writes new files beside the old ones and then `index.json`, which names them with their digests: whoever reads
sees the one state or the other, and a process that is killed leaves at most files that nobody names.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_prep.carriers import file_digest
from data_prep.errors import UserError
from mlilt.search.gallery import Item, Stamp
from mlilt.search.vectors import Vectors

ABOUT = "index.json"
FORMAT: Literal[2] = 2
_PARTS = re.compile(r"(?:vectors-(\d+)\.(?:safetensors|usearch)|pictures-(\d+)\.parquet)")
_OURS = re.compile(r"\.lock|index\.json(\.part)?|" + _PARTS.pattern)
_ROWS = pa.schema(
    {
        "name": pa.string(),
        "image_id": pa.string(),
        "problem": pa.string(),
        "size": pa.int64(),
        "modified_ns": pa.int64(),
        "status_ns": pa.int64(),
        "caption": pa.string(),
        "credit": pa.string(),
    }
)


class Part(BaseModel):
    """A file of the index."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z]+-\d+\.[a-z]+$")
    sha256: str


class About(BaseModel):
    """`index.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = FORMAT
    version: int = Field(description="counts changes")
    changed: str = Field(description="UTC, ISO 8601")
    run: str = Field(description="the run's folder, relative to the index's")
    weights_sha256: str = Field(description="of the run's trained weights")
    name: str = Field(description="of the run")
    languages: tuple[str, ...] = Field(description="that the run was trained on")
    dim: int = Field(description="size of a vector")
    kind: Literal["folder", "data"]
    pictures: str = Field(description="the pictures' folder, relative to the index's")
    splits: tuple[str, ...] = ()
    count: int = Field(description="different pictures")
    files: int = Field(description="files, or rows of a data set")
    broken: int = Field(description="files that cannot be read")
    vectors: Part
    table: Part


@dataclass(frozen=True, slots=True)
class Row:
    """A file of the gallery.

    Attributes:
        item: the file, its `image_id` filled in.
        problem: why it cannot be read; empty if it can.
    """

    item: Item
    problem: str = ""


def ours(folder: Path) -> bool:
    """Whether a folder holds an index, or nothing but what a build that was killed may have left."""
    with contextlib.suppress(UserError):
        read_about(folder)
        return True
    return all(_OURS.fullmatch(path.name) for path in folder.iterdir())


def beside(folder: Path, other: Path) -> str:
    """How the index in `folder` names another folder: relatively, so that both can be moved together."""
    try:
        return Path(os.path.relpath(other.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return other.resolve().as_posix()


def read_about(folder: Path) -> About:
    """What an index is of.

    Raises:
        UserError: the folder holds none, or one of another version of mlilt.
    """
    try:
        return About.model_validate_json((folder / ABOUT).read_bytes())
    except FileNotFoundError:
        raise UserError(f"{folder} holds no index. `mlilt index RUN PICTURES` makes one.") from None
    except OSError as error:
        raise UserError(f"{folder / ABOUT} cannot be read: {error}") from error
    except ValidationError as error:
        raise UserError(
            f"{folder / ABOUT} is damaged, or of another version of mlilt. Make the index again: `mlilt index --force`."
        ) from error


def check(folder: Path, part: Part) -> Path:
    """Where a file of the index lies.

    Raises:
        UserError: it is gone, or not what was written.
    """
    path = folder / part.name
    try:
        whole = file_digest(path) == part.sha256
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}. Make the index again: `mlilt index --force`.") from error
    if not whole:
        raise UserError(f"{path} is not what was written. Make the index again: `mlilt index --force`.")
    return path


class Rows:
    """The table of a checked file, a row a file of the gallery; a million take about a hundred megabytes."""

    def __init__(self, path: Path) -> None:
        self._table = pq.read_table(path, schema=_ROWS)
        ids = self._table["image_id"].to_pylist()
        readable = np.array([not problem for problem in self._table["problem"].to_pylist()], bool)
        keys = np.array([int(image_id, 16) if ok else 0 for image_id, ok in zip(ids, readable, strict=True)], np.uint64)
        places = np.flatnonzero(readable)
        order = np.argsort(keys[places], kind="stable")
        self._keys = keys[places][order]
        self._places = places[order]

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Row]:
        for batch in self._table.to_batches(max_chunksize=10_000):
            for values in zip(*(batch[name].to_pylist() for name in _ROWS.names), strict=True):
                yield _row(*values)

    def showing(self, image_id: str) -> list[Row]:
        """The files that hold a picture, in order; none if it is not there."""
        key = np.uint64(int(image_id, 16))
        first, last = (int(np.searchsorted(self._keys, key, side)) for side in ("left", "right"))
        return [
            _row(*(self._table[name][int(place)].as_py() for name in _ROWS.names)) for place in self._places[first:last]
        ]


def _row(
    name: str, image_id: str, problem: str, size: Any, modified: Any, status: Any, caption: str, credit: str
) -> Row:
    stamp = None if size is None else Stamp(size, modified, status)
    return Row(Item(name, stamp, image_id, caption, credit), problem)


def _next_version(folder: Path) -> int:
    """A number that no file in the folder has: what is there may be open, and stays until `index.json` is replaced."""
    found = filter(None, (_PARTS.fullmatch(path.name) for path in folder.iterdir()))
    return 1 + max((int(part[1] or part[2]) for part in found), default=0)


def write(folder: Path, vectors: Vectors, rows: Sequence[Row], **about: Any) -> About:
    """Writes a new state of an index and removes the files of others.

    Args:
        folder: the index's, which is there.
        vectors: those of all pictures.
        rows: all files.
        about: the fields of `About` that do not follow from the rest.
    """
    version = _next_version(folder)
    names = {"vectors": f"vectors-{version}.safetensors", "table": f"pictures-{version}.parquet"}
    vectors.save(folder / names["vectors"])
    items = [row.item for row in rows]
    stamps = [item.stamp or (None, None, None) for item in items]
    columns: list[list[Any]] = [
        [item.name for item in items],
        [item.image_id for item in items],
        [row.problem for row in rows],
        *([stamp[place] for stamp in stamps] for place in range(3)),
        [item.caption for item in items],
        [item.credit for item in items],
    ]
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, _ROWS.types, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=_ROWS), folder / names["table"], compression="zstd")
    parts: dict[str, Any] = {part: Part(name=name, sha256=file_digest(folder / name)) for part, name in names.items()}
    made = About(
        version=version,
        dim=vectors.dim,
        count=len(vectors),
        files=len(rows),
        broken=sum(bool(row.problem) for row in rows),
        **parts,
        **about,
    )
    for name in names.values():
        _settle(folder / name)
    partial = folder / f"{ABOUT}.part"
    partial.write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _settle(partial)
    partial.replace(folder / ABOUT)
    for path in folder.iterdir():
        # Whoever has an older state open keeps what it has mapped.
        if _PARTS.fullmatch(path.name) and path.name not in names.values():
            # Where a file that is mapped cannot be removed, the next change does it.
            with contextlib.suppress(OSError):
                path.unlink()
    return made


def _settle(path: Path) -> None:
    """Waits until a file is on the disk: a digest in `index.json` must not be there before what it is of."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
