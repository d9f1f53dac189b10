"""Trains every bias, nothing else.

BitFit: Ben Zaken et al., "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked
Language-models", ACL 2022 (arXiv:2106.10199); for alignment in Khan & Fu, ICLR 2023, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies._base import train


@dataclass(frozen=True, slots=True)
class BitFit:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 3e-3

    def unfreeze(self, tower: nn.Module) -> None:
        """Unfreezes each parameter whose own name is `bias` or ends in it (`q_bias`)."""
        names = {name: name.rpartition(".")[2] for name, _ in tower.named_parameters()}
        biases = [p for name, p in tower.named_parameters() if names[name] == "bias" or names[name].endswith("_bias")]
        train(biases, "it has no bias")


STRATEGY = BitFit
