"""Contrastive objectives over the captions and pictures of a batch. One module each; the file name is the name.

A module holds `OBJECTIVE`. An objective scores rows: each caption against all pictures, each picture against all
captions. The loss is the mean of both directions, so that a batch can be scored block by block.
"""

from __future__ import annotations

from torch import Tensor

from data_prep import registry
from mlilt.alignment import objectives as _package
from mlilt.alignment.objectives._base import Objective

__all__ = ["Objective", "load", "names", "symmetric"]


def names() -> list[str]:
    """Names of all objectives, sorted."""
    return registry.names(_package)


def load(name: str) -> Objective:
    """The objective with this name.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest names.
    """
    objective: Objective = registry.module(_package, name, "objective").OBJECTIVE
    return objective


def symmetric(objective: Objective, logits: Tensor, positive: Tensor, smoothing: float = 0.0) -> Tensor:
    """The loss of a whole batch at once: a float scalar.

    Args:
        objective: what scores a row.
        logits: similarities, float of shape (captions, pictures).
        positive: which belong together, bool of the same shape; each row and each column holds at least one True.
        smoothing: label smoothing, 0 to 1.
    """
    captions, pictures = (
        objective.rows(logits, positive, smoothing),
        objective.rows(logits.T, positive.T, smoothing),
    )
    return (captions.mean() + pictures.mean()) / 2
