"""Arrays in one file that is mapped into memory: the layout of safetensors, written array by array.

The package `safetensors` reads these files too, but copies what it reads, and holds all that it writes twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KINDS = {"I64": np.int64, "U64": np.uint64, "I8": np.int8, "F16": np.float16, "F32": np.float32}
_NAMES = {np.dtype(kind): name for name, kind in _KINDS.items()}
# The data begin at a multiple of so many bytes.
_ALIGN = 64


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes arrays of int64, uint64, int8, float16 or float32."""
    header: dict[str, Any] = {}
    end = 0
    # Larger numbers first, so that each array begins where its numbers may.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].itemsize)
    for name, array in ordered:
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype], "shape": array.shape, "data_offsets": [begin, end]}
    told = json.dumps(header).encode()
    told += b" " * (-(8 + len(told)) % _ALIGN)
    with path.open("wb") as file:
        file.write(len(told).to_bytes(8, "little"))
        file.write(told)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array).data)


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file, read-only and mapped.

    Raises:
        ValueError: it is none of these files.
        OSError: it cannot be read.
    """
    whole = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)
    try:
        size = int.from_bytes(whole[:8].tobytes(), "little")
        header = json.loads(whole[8 : 8 + size].tobytes())
        found = {}
        for name, told in header.items():
            begin, end = told["data_offsets"]
            data = whole[8 + size + begin : 8 + size + end]
            found[name] = np.ndarray(told["shape"], _KINDS[told["dtype"]], data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} holds no arrays") from error
    return found
