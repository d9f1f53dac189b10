"""Trains all weights and biases of the attention: queries, keys, values and what follows them; not the norms.

An ablation of Khan & Fu, ICLR 2023 (arXiv:2303.11866), section 4. A convolutional network has no attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies import _anatomy
from mlilt.strategies._base import train


@dataclass(frozen=True, slots=True)
class Attention:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 2e-4

    def unfreeze(self, tower: nn.Module) -> None:
        """Unfreezes the attention of every block."""
        train(_anatomy.sublayer_weights(tower, "attention"), "its blocks have no attention")


STRATEGY = Attention
