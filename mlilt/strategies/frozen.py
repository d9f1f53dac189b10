"""Trains nothing of the tower: only the projections and the temperature are learned.

The baseline of Khan & Fu, "Contrastive Alignment of Vision to Language Through Parameter-Efficient Transfer
Learning", ICLR 2023 (arXiv:2303.11866), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn


@dataclass(frozen=True, slots=True)
class Frozen:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 3e-3
    alone: ClassVar[str] = "trains nothing"

    def unfreeze(self, tower: nn.Module) -> None:
        """Leaves all frozen."""


STRATEGY = Frozen
