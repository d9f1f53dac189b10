"""Exact gradients of a contrastive loss over a batch of any size: gradient caching, blocks, several processes.

Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", RepL4NLP 2021
(arXiv:2101.06983): embeddings are computed in chunks without gradient, the loss's gradient with respect to the
embeddings is taken, and each chunk is computed a second time to carry its part of that gradient back. Towers are in
eval mode, so both passes are the same function, and the gradient is that of the whole batch at once.

Over several processes each holds a share of the embeddings. All are gathered, each process scores its own rows against
all columns, and the gradients with respect to all embeddings are added up: negatives come from every process, with
gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mlilt.alignment.objectives import Objective

# Rows of similarities that are scored at a time.
BLOCK = 512


class Processes(Protocol):
    """What this module needs of several processes that train together."""

    rank: int

    def gather(self, local: Tensor, counts: Sequence[int]) -> Tensor:
        """All processes' rows, one process after the other, given how many each has."""
        ...

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes, in place."""
        ...


class Alone:
    """One process by itself."""

    rank = 0

    def gather(self, local: Tensor, counts: Sequence[int]) -> Tensor:
        """The rows themselves."""
        return local

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Leaves them."""


@dataclass(frozen=True, slots=True)
class Side:
    """One kind of embeddings of a batch: those of its captions, say.

    Attributes:
        chunks: each computes the embeddings of some, float of shape (n, dim), the same each time it is called.
        counts: how many embeddings each process has; this one's are those of `chunks`.
    """

    chunks: Sequence[Callable[[], Tensor]]
    counts: Sequence[int]

    def rows(self, rank: int) -> slice:
        """Where a process's embeddings are among all."""
        return share(self.counts, rank)


def share(counts: Sequence[int], rank: int) -> slice:
    """Where a process's share is, given how many each has, one process after the other."""
    start = sum(counts[:rank])
    return slice(start, start + counts[rank])


@dataclass(frozen=True, slots=True)
class Term:
    """One contrastive term of the loss.

    Attributes:
        one, other: names of its sides.
        positive: (rows of one, rows of other) -> bool of that shape, which belong together.
        weight: how much it counts.
    """

    one: str
    other: str
    positive: Callable[[slice, slice], Tensor]
    weight: float = 1.0


def backward(
    sides: Mapping[str, Side],
    terms: Sequence[Term],
    logits: Callable[[Tensor, Tensor], Tensor],
    objective: Objective,
    smoothing: float = 0.0,
    processes: Processes | None = None,
    block: int = BLOCK,
) -> Tensor:
    """Adds the gradient of a batch's loss to everything that it depends on; over several processes, each its part.

    Args:
        sides: the embeddings, by name.
        terms: the loss's terms.
        logits: (embeddings, embeddings) -> similarities.
        objective: scores rows of similarities.
        smoothing: label smoothing.
        processes: those that train together; None for one alone.
        block: rows scored at a time.

    Returns:
        This process's part of the loss, a float scalar without gradient: all parts add up to the loss, and all parts
        of the gradients to its gradient.
    """
    processes = processes or Alone()
    kept: dict[str, Tensor] = {}
    leaves: dict[str, Tensor] = {}
    for name, side in sides.items():
        if len(side.chunks) == 1:
            # One chunk needs no second pass.
            kept[name] = side.chunks[0]()
            local = kept[name].detach()
        else:
            with torch.no_grad():
                local = torch.cat([chunk() for chunk in side.chunks])
        leaves[name] = processes.gather(local, side.counts).requires_grad_()
    loss = next(iter(leaves.values())).new_zeros(())
    for term in terms:
        one, other = leaves[term.one], leaves[term.other]
        mine, others = sides[term.one].rows(processes.rank), sides[term.other].rows(processes.rank)
        for rows in _blocks(mine, block):
            scores = objective.rows(logits(one[rows], other), term.positive(rows, slice(None)), smoothing)
            loss += _back(scores.sum() * (term.weight / (2 * len(one))))
        for rows in _blocks(others, block):
            scores = objective.rows(logits(one, other[rows]).T, term.positive(slice(None), rows).T, smoothing)
            loss += _back(scores.sum() * (term.weight / (2 * len(other))))
    gradients = [leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves.values()]
    processes.add_up(gradients)
    for (name, side), gradient in zip(sides.items(), gradients, strict=True):
        local = gradient[side.rows(processes.rank)]
        if name in kept:
            _carry(kept.pop(name), local)
            continue
        start = 0
        for chunk in side.chunks:
            embeddings = chunk()
            _carry(embeddings, local[start : start + len(embeddings)])
            start += len(embeddings)
    return loss


def _blocks(rows: slice, block: int) -> list[slice]:
    return [slice(start, min(start + block, rows.stop)) for start in range(rows.start, rows.stop, block)]


def _back(part: Tensor) -> Tensor:
    torch.autograd.backward(part)
    return part.detach()


def _carry(embeddings: Tensor, gradient: Tensor) -> None:
    if embeddings.requires_grad:
        torch.autograd.backward(embeddings, gradient)
