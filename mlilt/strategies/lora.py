"""Adds a trained low-rank product to every linear layer of the blocks.

LoRA: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022 (arXiv:2106.09685), through peft.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn


@dataclass(frozen=True, slots=True)
class LoRA:
    """See the module's docstring.

    Attributes:
        rank: rank of the added product.
        alpha: the product is scaled by alpha / rank.
    """

    learning_rate: ClassVar[float] = 1e-3
    rank: int = 8
    alpha: int = 16

    def unfreeze(self, tower: nn.Module) -> None:
        """Injects the products in place; only they train."""
        from peft import LoraConfig, inject_adapter_in_model

        targets = [name for name, module in tower.named_modules() if isinstance(module, nn.Linear)]
        inject_adapter_in_model(LoraConfig(r=self.rank, lora_alpha=self.alpha, target_modules=targets), tower)


STRATEGY = LoRA
