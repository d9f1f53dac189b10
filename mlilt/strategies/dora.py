"""Adds LoRA's low-rank products and trains the weights' magnitudes apart from their directions.

DoRA: Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation", ICML 2024 (arXiv:2402.09353), through peft; on the
layers that `lora` is on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies._base import WRAPS, at_least, option
from mlilt.strategies.lora import add_products


@dataclass(frozen=True, slots=True)
class DoRA:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 1e-3
    stage: ClassVar[int] = WRAPS
    claims: ClassVar[str] = "the linear layers"
    rank: int = option(8, "rank of the added products")
    alpha: int = option(16, "a product is scaled by alpha / rank")

    def __post_init__(self) -> None:
        at_least(1, rank=self.rank, alpha=self.alpha)

    def unfreeze(self, tower: nn.Module) -> None:
        """Injects products and magnitudes in place; only they train."""
        add_products(tower, self.rank, self.alpha, dora=True)


STRATEGY = DoRA
