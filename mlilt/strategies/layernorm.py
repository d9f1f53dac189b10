"""Trains the normalization layers' weights and biases, nothing else.

"LayerNorm unlocking" of Khan & Fu, ICLR 2023 (arXiv:2303.11866), section 3.2. LayerNorm, RMSNorm, GroupNorm and
norms of queries and keys all count. In a convolutional network with BatchNorm it trains BatchNorm's weights and
biases, after Frankle et al., "Training BatchNorm and Only BatchNorm", ICLR 2021 (arXiv:2003.00152); its running
statistics stay those of pretraining.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies import _anatomy
from mlilt.strategies._base import train


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 3e-3
    claims: ClassVar[str] = "the norms"

    def unfreeze(self, tower: nn.Module) -> None:
        """Unfreezes the parameters of every norm."""
        train((p for _, norm in _anatomy.norms(tower) for p in norm.parameters(False)), "it has no norm with weights")


STRATEGY = LayerNorm
