"""Trains a copy of every norm in its place, through peft: what `layernorm` trains, kept apart from the tower's own.

LN-tuning: Zhao et al., "Tuning LayerNorm in Attention: Towards Efficient Multi-Modal LLM Finetuning", ICLR 2024
(arXiv:2312.11420). BatchNorm's running statistics stay those of pretraining.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies import _anatomy, _peft
from mlilt.strategies._base import WRAPS, NothingToTrain


@dataclass(frozen=True, slots=True)
class LNTuning:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 3e-3
    stage: ClassVar[int] = WRAPS
    claims: ClassVar[str] = "the norms"

    def unfreeze(self, tower: nn.Module) -> None:
        """Wraps the norms in place; only their copies train."""
        from peft import LNTuningConfig

        norms = _anatomy.norms(tower)
        if not norms:
            raise NothingToTrain("it has no norm with weights")
        copied = [p for _, norm in norms for p in norm.parameters()]
        targets = _peft.exactly(name for name, _ in norms)
        _peft.inject(LNTuningConfig(target_modules=targets), tower, replaced=copied)


STRATEGY = LNTuning
