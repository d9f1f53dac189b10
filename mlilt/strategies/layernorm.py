"""Trains the normalization layers' weights and biases, nothing else.

"LayerNorm unlocking" of Khan & Fu, ICLR 2023 (arXiv:2303.11866), section 3.2; before it Frankle et al.,
"Training BatchNorm and Only BatchNorm", ICLR 2021. RMSNorm and other kinds of layer normalization count too;
BatchNorm does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn


def is_layer_norm(module: nn.Module) -> bool:
    """LayerNorm, RMSNorm and the models' own classes of these names."""
    return isinstance(module, nn.LayerNorm | nn.RMSNorm) or type(module).__name__.endswith(("LayerNorm", "RMSNorm"))


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 3e-3

    def unfreeze(self, tower: nn.Module) -> None:
        """Unfreezes the parameters of every layer normalization."""
        for module in tower.modules():
            if is_layer_norm(module):
                module.requires_grad_(True)


STRATEGY = LayerNorm
