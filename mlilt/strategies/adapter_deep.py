"""Adds two trained adapters a layer, one in each residual branch; the tower itself stays frozen.

The deep adapters of Khan & Fu, ICLR 2023 (arXiv:2303.11866), section 3.2, after Houlsby et al., "Parameter-Efficient
Transfer Learning for NLP", ICML 2019 (arXiv:1902.00751). In a language model an adapter works on what a branch gives
out, before the residual sum (and before BERT's LayerNorm); in a vision transformer on what comes into a branch,
before its norm. A convolutional block has one branch and gets one adapter of 1x1 convolutions on what comes into its
first convolution, after Rebuffi et al., "Learning multiple visual domains with residual adapters", NIPS 2017
(arXiv:1705.08045). With `layernorm` it is LilT-DA.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies import _adapter, _anatomy
from mlilt.strategies._adapter import Adapter
from mlilt.strategies._base import ADDITIONS, NothingToTrain, at_least, option


@dataclass(frozen=True, slots=True)
class AdapterDeep:
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
            for module, put, size in list(_places(tower, block)):
                bottleneck = max(1, size // self.reduction)
                put(module, Adapter(size, bottleneck, _anatomy.is_spatial(block), like))


def _places(tower: nn.Module, block: nn.Module) -> Iterator[tuple[nn.Module, _adapter.Put, int]]:
    """The modules that get an adapter, on which side, and how wide it is."""
    if _anatomy.is_spatial(block):
        name, first = next((n, m) for n, m in _anatomy.branch(block) if isinstance(m, nn.Conv2d))
        yield block.get_submodule(name), _adapter.before, first.in_channels
        return
    branches = _anatomy.sublayers(block)
    if len(branches) < 2:
        raise NothingToTrain(f"it is not known where the residual branches of {type(block).__name__} are")
    size = _anatomy.width(block)
    entries = [getattr(block, name, None) for name in ("norm1", "norm2")] if _anatomy.is_timm(tower) else []
    for place, sublayer in enumerate(branches):
        entry = entries[place] if entries else None
        if isinstance(entry, nn.Module) and _anatomy.is_norm(_anatomy.plain(entry)):
            yield entry, _adapter.before, size
        else:
            yield sublayer.end, _adapter.after, size


STRATEGY = AdapterDeep
