"""Contrastive objectives over the captions and pictures of one batch."""

from __future__ import annotations

import torch
from torch import Tensor


def info_nce(logits: Tensor, positive: Tensor) -> Tensor:
    """Symmetric InfoNCE with in-batch negatives and several positives.

    Each (caption, picture) pair that belongs together is scored against the negatives alone: the other positives
    of the same caption or picture are left out of its denominator. With one positive a row and a column this is
    the loss of Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021
    (arXiv:2103.00020), section 2.3; the several positives are those of Khosla et al., "Supervised Contrastive
    Learning", NeurIPS 2020 (arXiv:2004.11362), without positives in the denominator.

    Args:
        logits: similarities over temperature, float of shape (captions, pictures).
        positive: bool of the same shape; every row and every column holds at least one True.

    Returns:
        The mean of both directions; a row's (column's) loss is the mean over its positives.
    """
    return (_one_way(logits, positive) + _one_way(logits.T, positive.T)) / 2


def _one_way(logits: Tensor, positive: Tensor) -> Tensor:
    negatives = torch.logsumexp(logits.masked_fill(positive, -torch.inf), dim=1, keepdim=True)
    pair = torch.logaddexp(logits, negatives) - logits
    return (pair.masked_fill(~positive, 0).sum(1) / positive.sum(1)).mean()


def positives(owner: Tensor, concept: Tensor, caption: Tensor, image: Tensor) -> Tensor:
    """Which pictures of a batch are right for which captions.

    A picture is right for a caption if it came with it, or shows the same concept, or came with a caption of the
    same words, or is the very same picture as one that came with it.

    Args:
        owner: for each picture the caption it came with, int64 of shape (pictures,).
        concept: for each caption a number of its concept, int64 of shape (captions,).
        caption: for each caption a number of its words, the same shape.
        image: for each picture a number of its content, int64 of shape (pictures,).

    Returns:
        bool of shape (captions, pictures).
    """
    own = torch.arange(len(concept), device=owner.device)[:, None] == owner[None, :]
    same_picture = (own.float() @ (image[:, None] == image[None, :]).float()) > 0
    return same_picture | (concept[:, None] == concept[owner][None, :]) | (caption[:, None] == caption[owner][None, :])
