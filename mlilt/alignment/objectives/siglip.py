"""SigLIP's sigmoid loss: each caption and picture of the batch are a right or a wrong pair by themselves.

Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023 (arXiv:2303.15343), section 3.2. Every positive
counts as one, however many a caption has. Where a batch has as many pictures as captions the loss is that of the
paper; else the mean of dividing by either number.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


class SigLIP:
    """See the module's docstring. Most pairs are wrong ones, which the bias accounts for from the start.

    Label smoothing moves its share of every pair's target to one half.
    """

    bias: float | None = -10.0

    def rows(self, logits: Tensor, positive: Tensor, smoothing: float) -> Tensor:
        """See `Objective.rows`."""
        target = positive.to(logits.dtype) * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1)


OBJECTIVE = SigLIP()
