"""Examples as Arrow tables: how they wait on disk between the stages of a preparation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.records import Cell, Example, Picture, Region, Slice

# What pyarrow raises at a damaged Parquet file; names and texts that are no UTF-8 come through as Python's own error.
READ_ERRORS: tuple[type[Exception], ...] = (OSError, pa.ArrowException, UnicodeDecodeError)
_PICTURE = {
    "picture_bytes": pa.large_binary(),
    # Names of files need not be UTF-8.
    "picture_path": pa.binary(),
    "picture_offset": pa.int64(),
    "picture_length": pa.int64(),
    "picture_column": pa.string(),
    "picture_box": pa.list_(pa.int64()),
}
_LISTS = {"captions", "keywords", "captions_en", "keywords_en", "flags"}
_OTHERS = {"chrf": pa.float64(), "place": pa.int64()}
_FIELDS = [f.name for f in fields(Example) if f.name != "picture"]
SCHEMA = pa.schema(
    {
        **_PICTURE,
        **{name: pa.list_(pa.string()) if name in _LISTS else _OTHERS.get(name, pa.string()) for name in _FIELDS},
    }
)


def has_bytes(kind: pa.DataType) -> bool:
    """Whether a column's values are, or hold, bytes that need not be text."""
    inner = [kind.field(place).type for place in range(kind.num_fields)]
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or any(map(has_bytes, inner))


def _where(picture: Picture) -> dict[str, Any]:
    if isinstance(picture, Region):
        return {**_where(picture.picture), "picture_box": list(picture.box)}
    if isinstance(picture, bytes):
        return {"picture_bytes": picture}
    if isinstance(picture, Slice):
        return {
            "picture_path": os.fsencode(picture.path),
            "picture_offset": picture.offset,
            "picture_length": picture.length,
        }
    if isinstance(picture, Cell):
        return {
            "picture_path": os.fsencode(picture.path),
            "picture_offset": picture.row,
            "picture_column": picture.column,
        }
    return {"picture_path": os.fsencode(picture)}


def _picture(row: dict[str, Any]) -> Picture:
    whole = _whole(row)
    return whole if row["picture_box"] is None else Region(whole, tuple(row["picture_box"]))


def _whole(row: dict[str, Any]) -> Path | bytes | Slice | Cell:
    if (data := row["picture_bytes"]) is not None:
        return bytes(data)
    if row["picture_path"] is None:
        return b""
    path, offset = Path(os.fsdecode(row["picture_path"])), row["picture_offset"]
    if row["picture_column"] is not None:
        return Cell(path, offset, row["picture_column"])
    return path if offset is None else Slice(path, offset, row["picture_length"])


def table(examples: Iterable[Example], more: Sequence[tuple[pa.Field, Sequence[Any]]] = ()) -> pa.Table:
    """A table of `SCHEMA`, with further columns if given. Lone surrogates in texts become U+FFFD."""
    rows = [{**_where(e.picture), **{name: getattr(e, name) for name in _FIELDS}} for e in examples]
    try:
        made = pa.Table.from_pylist(rows, SCHEMA)
    except UnicodeEncodeError:
        made = pa.Table.from_pylist([{k: _sound(v) for k, v in row.items()} for row in rows], SCHEMA)
    for field, values in more:
        made = made.append_column(field, pa.array(values, field.type))
    return made


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return tuple(map(_sound, value)) if isinstance(value, tuple) else value


def examples(found: pa.Table) -> Iterator[Example]:
    """The examples of a table made by `table`."""
    for row in found.select(SCHEMA.names).to_pylist():
        values: Any = {name: tuple(row[name]) if name in _LISTS else row[name] for name in _FIELDS}
        yield Example(picture=_picture(row), **values)


def write(path: Path, found: pa.Table) -> None:
    """Writes a Parquet file whole, or not at all."""
    # What a killed process left over may be written by a new one at the same time.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(found, partial)
    partial.replace(path)
