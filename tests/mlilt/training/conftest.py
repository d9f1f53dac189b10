"""How weights of two runs are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mlilt import record

SameWeights = Callable[[Path, Path, float], None]


@pytest.fixture
def same_weights() -> SameWeights:
    """Asserts that two runs' weights differ by no more than a tolerance.

    Left out are the biases of attention's keys: softmax cancels them, so that their gradient is rounding alone, which
    Adam blows up to full steps.
    """

    def check(one: Path, other: Path, tolerance: float) -> None:
        first, second = (load_file(folder / record.WEIGHTS) for folder in (one, other))
        assert first.keys() == second.keys()
        for name in first:
            expected, found = first[name], second[name]
            if name.endswith("key.bias"):
                continue
            if name.endswith("qkv.bias"):
                expected, found = (torch.cat([b[: len(b) // 3], b[-(len(b) // 3) :]]) for b in (expected, found))
            torch.testing.assert_close(found, expected, rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")

    return check
