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
    """Asserts that two runs' weights differ by no more than a tolerance."""

    def check(one: Path, other: Path, tolerance: float) -> None:
        first, second = (load_file(folder / record.WEIGHTS) for folder in (one, other))
        assert first.keys() == second.keys()
        for name in first:
            torch.testing.assert_close(
                second[name], first[name], rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
            )

    return check


@pytest.fixture
def steady() -> dict[str, float]:
    """Settings under which weights differ by rounding where gradients differ by rounding.

    Adam divides each gradient by its size: what is rounding alone, as in the biases of attention's keys, would become
    full steps. With an epsilon far above rounding, a step is nearly in proportion to its gradient, so that a gradient
    of the wrong size shows too.
    """
    return {"adam_epsilon": 1e-3}
