"""Adds a trained low-rank product to every linear layer of the blocks (and to a CNN's ungrouped convolutions).

LoRA: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022 (arXiv:2106.09685), through peft.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies import _anatomy, _peft
from mlilt.strategies._base import WRAPS, NothingToTrain, at_least, option


def add_products(tower: nn.Module, rank: int, alpha: int, dora: bool) -> None:
    """Injects LoRA's products in place, with DoRA's magnitudes if asked for."""
    from peft import LoraConfig

    if not (targets := _anatomy.targets(tower)):
        raise NothingToTrain("its blocks have neither linear layers nor ungrouped convolutions")
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=_peft.exactly(targets),
        use_dora=dora,
        # On the meta device there are no values to draw, and going through it is slow.
        init_lora_weights=not next(tower.parameters()).is_meta,
    )
    _peft.inject(config, tower)
    # Imports peft, which takes its time.
    from mlilt.strategies import _low_rank

    _low_rank.speed_up(tower)


@dataclass(frozen=True, slots=True)
class LoRA:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 1e-3
    stage: ClassVar[int] = WRAPS
    claims: ClassVar[str] = "the linear layers"
    rank: int = option(8, "rank of the added products")
    alpha: int = option(16, "a product is scaled by alpha / rank")

    def __post_init__(self) -> None:
        at_least(1, rank=self.rank, alpha=self.alpha)

    def unfreeze(self, tower: nn.Module) -> None:
        """Injects the products in place; only they train."""
        add_products(tower, self.rank, self.alpha, dora=False)


STRATEGY = LoRA
