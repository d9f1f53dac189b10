"""Trains one layer a block, drawn at random among its linear layers (of a CNN, its convolutions).

An ablation of Khan & Fu, ICLR 2023 (arXiv:2303.11866), section 4: is it the norms, or would any few parameters do?
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies import _anatomy
from mlilt.strategies._base import option, train


@dataclass(frozen=True, slots=True)
class RandomSublayer:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 2e-4
    seed: int = option(0, "decides which layers; it is apart from the run's own seed")

    def unfreeze(self, tower: nn.Module) -> None:
        """Unfreezes weight and bias of the layers drawn."""
        # A generator of its own: the same layers on every machine, whatever was drawn before.
        generator = random.Random(self.seed)
        drawn = []
        for _, block in _anatomy.blocks(tower):
            if layers := _anatomy.layers(block):
                _, layer = generator.choice(layers)
                drawn += list(layer.parameters(recurse=False))
        train(drawn, "its blocks have neither linear layers nor convolutions")


STRATEGY = RandomSublayer
