"""Rescales keys, values and the feed-forward layers' inner activations by trained vectors.

(IA)3: Liu et al., "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning",
NeurIPS 2022 (arXiv:2205.05638), through peft. Where a model has one projection for queries, keys and values, all
three are rescaled; in a convolutional network the output of each ungrouped convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from mlilt.strategies import _anatomy, _peft
from mlilt.strategies._base import WRAPS, NothingToTrain


@dataclass(frozen=True, slots=True)
class IA3:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 3e-3
    stage: ClassVar[int] = WRAPS
    claims: ClassVar[str] = "the linear layers"

    def unfreeze(self, tower: nn.Module) -> None:
        """Injects the vectors in place; only they train."""
        from peft import IA3Config

        outputs, inputs = _anatomy.rescaled(tower)
        if not outputs + inputs:
            raise NothingToTrain("its blocks have neither linear layers nor ungrouped convolutions")
        targets = _peft.exactly(outputs + inputs)
        _peft.inject(IA3Config(target_modules=targets, feedforward_modules=_peft.exactly(inputs)), tower)


STRATEGY = IA3
