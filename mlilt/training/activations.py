"""Less memory for what a tower's blocks keep for the backward pass.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016 (arXiv:1604.06174).
"""

from __future__ import annotations

import functools

from torch import nn
from torch.utils.checkpoint import checkpoint

from mlilt.strategies._anatomy import blocks


def checkpoint_blocks(tower: nn.Module) -> None:
    """Has each block computed again in the backward pass instead of keeping its activations; in place.

    Raises:
        UserError: the tower's blocks are not known.
    """
    for _, block in blocks(tower):
        # Nothing random happens in a tower: it is in eval mode.
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)
