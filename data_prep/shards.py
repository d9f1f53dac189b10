"""The data set's Parquet files: cut by size, each written by itself, the same bytes whoever writes it."""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep import arrow, pieces
from data_prep.errors import UserError
from data_prep.pieces import Work
from data_prep.records import Example

# A file of the data set holds at most so many bytes of pictures, and so many rows.
FILE_BYTES = 256 << 20
FILE_ROWS = 20_000
_GROUP_ROWS = 128


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of the data set.

    Attributes:
        split: whose it is.
        name: of the file.
        parts: its rows: numbers of pieces, each with the rows' places in it.
        flags: of those of them that have any, by their places among all.
    """

    split: str
    name: str
    parts: tuple[tuple[int, list[int]], ...]
    flags: dict[int, tuple[str, ...]]


def cut(split: str, places: Sequence[int], sizes: pieces.Sizes, flags: dict[int, tuple[str, ...]]) -> list[Shard]:
    """Cuts a split's rows into files.

    Args:
        split: its name.
        places: its rows, in their order.
        sizes: as `pieces.sizes` gives them.
        flags: of all rows.
    """
    starts = [start for start, _ in sizes]
    files: list[list[tuple[int, int]]] = [[]]
    held = 0
    for place in places:
        piece = bisect_right(starts, place) - 1
        row = place - starts[piece]
        size = sizes[piece][1][row]
        if files[-1] and (held + size > FILE_BYTES or len(files[-1]) == FILE_ROWS):
            files.append([])
            held = 0
        files[-1].append((piece, row))
        held += size
    shards = []
    for n, found in enumerate(files):
        parts: dict[int, list[int]] = {}
        for piece, row in found:
            parts.setdefault(piece, []).append(row)
        name = f"{split}-{n:05d}-of-{len(files):05d}.parquet"
        own = {at: flags[at] for piece, row in found if (at := starts[piece] + row) in flags}
        shards.append(Shard(split, name, tuple(parts.items()), own))
    return shards


def features(stored: bool) -> Any:
    """The data set's columns for the library `datasets`; `stored` where pictures lie in a shared store."""
    from datasets import Features, Image, List, Value

    text, texts = Value("string"), List(Value("string"))
    return Features(
        {
            # Not decoded where the path is not one that the library could open.
            "image": Image(decode=not stored),
            "image_id": text,
            "captions": texts,
            "keywords": texts,
            "captions_en": texts,
            **dict.fromkeys(("concept", "source", "category", "variant", "licence", "attribution", "language"), text),
            "origin": text,
            "chrf": Value("float64"),
            "flags": texts,
        }
    )


def read(path: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of a file of a data set.

    Raises:
        UserError: the file is gone, or is not what was written: a page by its checksum, the footer, which has none, by
            the names and kinds of the columns.
    """
    with _guarded(path):
        found = pq.read_table(path, columns=list(columns), page_checksum_verification=True)
        _check(found.schema, columns)
        return found


def batches(path: Path, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """As `read`, with at most so many rows in memory at a time."""
    with _guarded(path):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        for batch in file.iter_batches(batch_size=rows, columns=list(columns)):
            _check(batch.schema, columns)
            yield batch


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    try:
        yield
    except arrow.READ_ERRORS as error:
        raise UserError(f"{path} cannot be read: {error}. Run `mlilt prep` again with --force.") from error


def _check(schema: pa.Schema, columns: Sequence[str]) -> None:
    if missing := set(columns) - set(schema.names):
        raise pa.ArrowInvalid(f"it has no column {', '.join(sorted(missing))}")
    if wrong := [column.name for column in schema if column.name != "image" and arrow.has_bytes(column.type)]:
        raise pa.ArrowInvalid(f"its column {wrong[0]} is not of text")


def write(work: Work, shard: Shard, folder: Path) -> str:
    """Writes a file of the data set, if it is not there yet; returns the digest of its rows, pictures by their ids."""
    path = folder / shard.name
    note = folder / f".{shard.name}.sha256"
    if path.exists() and note.exists():
        return note.read_text(encoding="ascii")
    folder.mkdir(parents=True, exist_ok=True)
    schema = features(work.store is not None).arrow_schema
    digest = hashlib.sha256()
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    # So that a page with a wrong byte is noticed by whoever reads it.
    with pq.ParquetWriter(partial, schema, write_page_checksum=True) as writer:
        group: list[dict[str, Any]] = []

        def flush() -> None:
            if group:
                writer.write_table(pa.Table.from_pylist(group, schema))
                group.clear()

        for example, file in chain.from_iterable(pieces.read(work, *part) for part in shard.parts):
            row = _row(example, work, file, shard.flags.get(example.place, ()))
            plain = {key: value for key, value in row.items() if key != "image"}
            digest.update(json.dumps([shard.split, plain], sort_keys=True, ensure_ascii=False).encode())
            group.append(row)
            if len(group) == _GROUP_ROWS:
                flush()
        flush()
    note.write_text(digest.hexdigest(), encoding="ascii")
    partial.replace(path)
    return digest.hexdigest()


def _row(example: Example, work: Work, file: str, flags: tuple[str, ...]) -> dict[str, Any]:
    stored = work.store is not None
    name = file if stored else file.rpartition("/")[2]
    return {
        "image": {"bytes": None if stored else example.picture, "path": name},
        "image_id": example.image_id,
        "captions": list(example.captions),
        "keywords": list(example.keywords),
        "captions_en": list(example.captions_en),
        "concept": example.concept,
        "source": example.source,
        "category": example.category,
        "variant": example.variant,
        "licence": example.licence,
        "attribution": example.attribution,
        "language": work.language.code,
        "origin": example.origin,
        "chrf": example.chrf,
        "flags": list(flags),
    }
