"""Tables on disk, row by row: CSV, TSV, JSON Lines and Parquet, all with the same face.

Only Parquet and what the library `datasets` streams can hold the pictures themselves.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

from data_prep.errors import UserError
from data_prep.sources._layout import DAMAGED_LINE, JSON_ERRORS

# The rows that are looked at to learn the columns of a JSON Lines file, whose lines need not all have all of them.
_LOOKED_AT = 1000
_BATCH = 1024

# A row's cells by column, or why it cannot be read.
Cells = dict[str, Any] | str


class Table(Protocol):
    """Rows with named columns.

    Attributes:
        path: the file.
        columns: all of them, in order.
        pictures: those that hold pictures themselves.
        twice: whether it may be read twice at little cost.
    """

    path: Path
    columns: tuple[str, ...]
    pictures: tuple[str, ...]
    twice: bool

    def rows(self, wanted: Sequence[str]) -> Iterator[tuple[int, Cells]]:
        """Yields each row's number (a line's from 1, otherwise from 0) and the cells of the columns `wanted`.

        Pictures in Parquet are left out. A row that cannot be read comes as the reason why.
        """
        ...


def open_table(path: Path, kind: str) -> Table:
    """Opens a table of the kind csv, tsv, jsonl or parquet.

    Raises:
        UserError: it is not there or not of this kind; the message says how to mend it.
    """
    if not path.is_file():
        raise UserError(f"{path} is {'a folder, not a file' if path.is_dir() else 'not there'}.")
    with path.open("rb") as file:
        start = file.read(4096)
    if not start:
        raise UserError(f"{path} is empty.")
    if kind == "parquet":
        return ParquetTable(path)
    if start.startswith(b"PAR1"):
        raise UserError(f"{path} is a Parquet file. Use --source parquet:{path}")
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UserError(f"{path} is a spreadsheet. Save it as CSV in UTF-8 and use --source csv: with that file.")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path} is in UTF-16. Save it as UTF-8, or: iconv -f UTF-16 -t UTF-8 {path} > new.{kind}")
    if kind == "jsonl":
        if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
            raise UserError(f"{path} is one JSON list. It takes one object a line: jq -c '.[]' {path} > new.jsonl")
        return JsonLines(path)
    return Separated(path, tabs=kind == "tsv")


class Separated:
    """CSV or TSV in UTF-8, with or without a byte order mark; the first line names the columns.

    A CSV file's separator is the one of , ; tab | that makes the most columns of its first line, or that of a line
    "sep=;" before it, which Excel knows. In TSV quotation marks count only around a whole cell, for captions may begin
    with one.
    """

    pictures: tuple[str, ...] = ()
    twice = True

    def __init__(self, path: Path, tabs: bool) -> None:
        self.path = path
        self._tabs = tabs
        self._separator, self._skip = "\t", 0
        if not tabs:
            with self._open() as file:
                first = self._guarded(file)
                line = next(first, "")
                if line.casefold().startswith("sep=") and len(line.strip()) == 5 and line[4] != '"':
                    self._separator, self._skip = line[4], 1
                else:
                    self._separator = max(",;\t|", key=lambda separator: _width(line, separator))
        head = next(self._cells(), (1, []))[1]
        self._names = [name.strip() for name in head]
        self.columns = tuple(name for name in self._names if name)
        if not self.columns:
            names = f"image{self._separator}caption"
            raise UserError(f"{path}: its first line names no columns. Write their names there: {names}")
        twins = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twins:
            raise UserError(f"{path} has more than one column called {', '.join(twins)}. Rename all but one.")

    def rows(self, wanted: Sequence[str]) -> Iterator[tuple[int, Cells]]:
        places = [(name, self._names.index(name)) for name in wanted]
        for line, cells in islice(self._cells(), 1, None):
            if not any(cells):
                continue
            if len(cells) != len(self._names):
                yield line, "the row has more or fewer cells than there are columns"
            else:
                yield line, {name: cells[place] for name, place in places}

    def _open(self) -> TextIO:
        return self.path.open(encoding="utf-8-sig", newline="")

    def _guarded(self, lines: Iterator[str]) -> Iterator[str]:
        try:
            yield from lines
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self.path} is not in UTF-8: it has the byte 0x{error.object[error.start]:02x} where that cannot be. "
                f'Save it as "CSV UTF-8", or: iconv -f WINDOWS-1252 -t UTF-8 {self.path} > new{self.path.suffix}'
            ) from error

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        with self._open() as file:
            lines = islice(self._guarded(file), self._skip, None)
            if self._tabs:
                for number, line in enumerate(lines, 1):
                    yield number, [_unquoted(cell) for cell in line.rstrip("\r\n").split("\t")]
                return
            reader = csv.reader(lines, delimiter=self._separator, strict=True)
            try:
                for cells in reader:
                    yield reader.line_num + self._skip, cells
            except csv.Error as error:
                raise UserError(
                    f"{self.path}, line {reader.line_num + self._skip}: {error}. A cell in quotation marks ends "
                    "with one, and those inside it are doubled."
                ) from error


def _width(line: str, separator: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=separator)))
    except csv.Error:  # a longer cell than may be
        return 0


def _unquoted(cell: str) -> str:
    inside = cell[1:-1]
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inside.replace('""', ""):
        return inside.replace('""', '"')
    return cell


class JsonLines:
    """One JSON object a line."""

    pictures: tuple[str, ...] = ()
    twice = True

    def __init__(self, path: Path) -> None:
        self.path = path
        some = (cells for _, cells in islice(self._objects(), _LOOKED_AT) if isinstance(cells, dict))
        self.columns = tuple(dict.fromkeys(name for cells in some for name in cells))
        if not self.columns:
            raise UserError(f"{path}: its first lines are no JSON objects. It takes one object a line, in UTF-8.")

    def rows(self, wanted: Sequence[str]) -> Iterator[tuple[int, Cells]]:
        for number, cells in self._objects():
            yield number, cells if isinstance(cells, str) else {name: cells.get(name) for name in wanted}

    def _objects(self) -> Iterator[tuple[int, Cells]]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not (line := line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip():
                    continue
                try:
                    found = json.loads(line)
                except JSON_ERRORS:
                    found = None
                yield number, found if isinstance(found, dict) else DAMAGED_LINE


class ParquetTable:
    """A Parquet file; a column of bytes, or of the Hub's struct {bytes, path}, holds pictures."""

    twice = True

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        from data_prep.arrow import READ_ERRORS

        try:
            schema = pq.read_schema(path)
        except READ_ERRORS as error:
            raise UserError(f"{path} is not a Parquet file, or is damaged: {error}") from error
        self.path = path
        self.columns = tuple(schema.names)
        self.pictures = tuple(column.name for column in schema if _holds_bytes(column.type))

    def rows(self, wanted: Sequence[str]) -> Iterator[tuple[int, Cells]]:
        import pyarrow.parquet as pq

        from data_prep.arrow import READ_ERRORS

        columns = [name for name in wanted if name not in self.pictures]
        number = 0
        try:
            with pq.ParquetFile(self.path) as file:
                if not columns:
                    yield from ((n, {}) for n in range(file.metadata.num_rows))
                    return
                for batch in file.iter_batches(batch_size=_BATCH, columns=columns, use_threads=False):
                    for cells in batch.to_pylist():
                        yield number, cells
                        number += 1
        except READ_ERRORS as error:
            raise UserError(f"{self.path} is damaged behind row {number}: {error}") from error


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        kind = kind.field(place).type if place >= 0 else kind
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
