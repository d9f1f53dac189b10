"""Settings of small real runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_prep.pipeline import Prepared
from mlilt.config import RunConfig


@pytest.fixture(scope="session")
def settings(small_sw: Prepared) -> Callable[..., RunConfig]:
    """Makes the settings of a run on the small Swahili set: 16 captions a batch, two epochs, float32."""

    def make(**changes: Any) -> RunConfig:
        base = {
            "lang": "sw",
            "data": str(small_sw.folder),
            "epochs": 2,
            "batch_size": 16,
            "precision": "fp32",
            "dim": 64,
        }
        return RunConfig(**{**base, **changes})

    return make


@pytest.fixture(scope="session")
def tiny(xlmr_folder: Path, mbert_folder: Path) -> dict[str, str]:
    """Names of the small random text towers."""
    return {"xlm-r": str(xlmr_folder), "mbert": str(mbert_folder)}
