"""InfoNCE: picks each right picture out of the batch's wrong ones by a softmax.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021 (arXiv:2103.00020),
section 2.3. Several positives as in Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020 (arXiv:2004.11362),
but without positives in the denominator: each pair that belongs together is scored against the negatives alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


class InfoNCE:
    """See the module's docstring. A row's loss is the mean over its positives.

    Label smoothing spreads its share of a pair's target evenly over the pair and its negatives, as
    `torch.nn.functional.cross_entropy` does.
    """

    bias: float | None = None

    def rows(self, logits: Tensor, positive: Tensor, smoothing: float) -> Tensor:
        """See `Objective.rows`."""
        negatives = torch.logsumexp(logits.masked_fill(positive, -torch.inf), dim=1, keepdim=True)
        normalizer = torch.logaddexp(logits, negatives)
        loss = normalizer - logits
        if smoothing:
            others = logits.masked_fill(positive, 0).sum(1, keepdim=True)
            candidates = (~positive).sum(1, keepdim=True) + 1
            loss = (1 - smoothing) * loss + smoothing * (normalizer - (logits + others) / candidates)
        return loss.masked_fill(~positive, 0).sum(1) / positive.sum(1)


OBJECTIVE = InfoNCE()
