from __future__ import annotations

from pathlib import Path

import pytest

import mlilt
from data_prep.pipeline import Prepared
from mlilt.comparison import Comparison


@pytest.fixture(scope="session")
def compared(small_sw: Prepared, tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path, Path]:
    """A comparison of two strategies with two seeds each, one epoch, on real data and towers; (it, runs, report)."""
    root = tmp_path_factory.mktemp("compared")
    runs, out = root / "runs", root / "report"
    comparison = mlilt.compare(
        "sw", ("layernorm", "full"), 2, runs, out, progress=False, epochs=1, data=str(small_sw.folder)
    )
    return comparison, runs, out
