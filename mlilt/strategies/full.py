"""Trains every parameter of the tower: full-model training, what the others are compared with.

On the text tower with a frozen vision tower this is LiT: Zhai et al., "LiT: Zero-Shot Transfer with Locked-image
text Tuning", CVPR 2022 (arXiv:2111.07991); on both towers it is CLIP's way. BatchNorm keeps its running statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn


@dataclass(frozen=True, slots=True)
class Full:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 1e-4
    alone: ClassVar[str] = "trains everything already"

    def unfreeze(self, tower: nn.Module) -> None:
        """Unfreezes all."""
        tower.requires_grad_(True)


STRATEGY = Full
