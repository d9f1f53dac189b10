"""Adds one trained adapter a layer, on what the layer gives out; the tower itself stays frozen.

The layerwise adapters of Khan & Fu, ICLR 2023 (arXiv:2303.11866), section 3.2. In a convolutional network an adapter
is made of 1x1 convolutions over channels. With `layernorm` it is LilT-LwA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies import _adapter, _anatomy
from mlilt.strategies._adapter import Adapter
from mlilt.strategies._base import ADDITIONS, at_least, option


@dataclass(frozen=True, slots=True)
class AdapterLayerwise:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 1e-3
    stage: ClassVar[int] = ADDITIONS
    reduction: int = option(4, "an adapter's bottleneck is the width divided by this")

    def __post_init__(self) -> None:
        at_least(1, reduction=self.reduction)

    def unfreeze(self, tower: nn.Module) -> None:
        """Adds the adapters; only they train."""
        like = next(tower.parameters())
        for _, block in _anatomy.blocks(tower):
            size = _anatomy.width(block)
            bottleneck = max(1, size // self.reduction)
            _adapter.after(block, Adapter(size, bottleneck, _anatomy.is_spatial(block), like))


STRATEGY = AdapterLayerwise
