"""Sources in miniature: files in the published layout, Parquet as the Hub has it, and a walk through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.records import DropLog, Example
from tests import fuzzing

# What is no table; and so many tables of a folder are changed.
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".svg"}
_TABLES = 3

Walk = Callable[..., tuple[list[Example], list[tuple[str, str]]]]


@pytest.fixture
def lay(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], Path]:
    """Writes files by their names below a folder, which it returns; called again, it adds to the same folder."""

    def write(files: Mapping[str, str | bytes]) -> Path:
        for name, data in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.encode() if isinstance(data, str) else data)
        return tmp_path / "root"

    return write


@pytest.fixture
def hub_table(tmp_path: Path) -> Callable[..., Path]:
    """Writes a Parquet file below the same folder; columns in `pictures` become structs of bytes and a null path.

    It has two rows a row group, so that a few rows make several.
    """

    def write(name: str, columns: Mapping[str, Sequence[Any]], pictures: Sequence[str] = ("image",)) -> Path:
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.null())])
        arrays = {
            column: pa.array([{"bytes": v, "path": None} if v is not None else None for v in values], kind)
            if column in pictures
            else pa.array(values)
            for column, values in columns.items()
        }
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(arrays), path, row_group_size=2)
        return tmp_path / "root"

    return write


@pytest.fixture(scope="session")
def walk() -> Walk:
    """All examples of a source, held to the contract, and what it left out as (item, reason).

    What a source reads well is then changed at random, file by file, and must be read or refused in order.
    """

    def read(source: Any, locale: str, root: Path) -> tuple[list[Example], list[tuple[str, str]]]:
        log = DropLog()
        examples = list(source.examples(locale, {"root": root}, log))
        assert examples == list(source.examples(locale, {"root": root}, DropLog()))
        licences = set(source.about.licences)
        assert all(set(e.licence.split("+")) <= licences and e.attribution and e.concept for e in examples)
        assert len({e.source for e in examples} | {d.source for d in log.drops}) <= 1
        _fuzz(source, locale, root)
        return examples, [(d.item, d.reason) for d in log.drops]

    return read


def _fuzz(source: Any, locale: str, root: Path) -> None:
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    tables = [path for path in files if path.suffix.lower() not in _PICTURES]
    for path in tables[:_TABLES]:
        fuzzing.fuzz_in_place(
            type(source).__name__, path, lambda: list(source.examples(locale, {"root": root}, DropLog()))
        )
