"""Sources in miniature: files in the published layout, Parquet as the Hub has it, and a walk through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


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
