"""Trains the top blocks, and the final norm of models that have one.

Fine-tuning only the top layers: Lee et al., "What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning",
2019 (arXiv:1911.03090).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from data_prep.errors import UserError
from mlilt.strategies import _anatomy
from mlilt.strategies._base import at_least, option, train


@dataclass(frozen=True, slots=True)
class LastK:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 1e-4
    k: int = option(2, "how many blocks train")

    def __post_init__(self) -> None:
        at_least(1, k=self.k)

    def unfreeze(self, tower: nn.Module) -> None:
        """Unfreezes the blocks."""
        blocks = _anatomy.blocks(tower)
        if self.k > len(blocks):
            raise UserError(f"last-k:k={self.k} is more than the {len(blocks)} blocks that there are.")
        modules = [*(block for _, block in blocks[-self.k :]), *_anatomy.final_norms(tower)]
        train((p for module in modules for p in module.parameters()), "its top blocks have no parameters")


STRATEGY = LastK
