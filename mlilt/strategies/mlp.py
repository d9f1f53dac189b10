"""Trains all weights and biases of the feed-forward (dense) layers; not the norms.

An ablation of Khan & Fu, ICLR 2023 (arXiv:2303.11866), section 4. Of convolutional networks, those of ConvNeXt's
family have such layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies import _anatomy
from mlilt.strategies._base import train


@dataclass(frozen=True, slots=True)
class MLP:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 2e-4

    def unfreeze(self, tower: nn.Module) -> None:
        """Unfreezes the feed-forward layers of every block."""
        train(_anatomy.sublayer_weights(tower, "mlp"), "its blocks have no feed-forward layers")


STRATEGY = MLP
