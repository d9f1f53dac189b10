"""Captions of any length in one row, without padding; each attends to its own tokens alone.

Krell et al., "Efficient Sequence Packing without Cross-contamination", 2021 (arXiv:2107.02027). Nearly all of an
encoder's work is done token by token, on one matrix of exactly the tokens there are; in attention, captions of one
length are a batch. Sorted by length, they need neither a mask nor a place that is computed for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

ATTENTION = "mlilt-packed"
# Whether positions are counted from behind the padding's id, not from 0, by `model_type`.
_BEHIND_PADDING = {"bert": False, "roberta": True, "xlm-roberta": True}


class Segment(NamedTuple):
    """Captions of one length, one behind the other."""

    captions: int
    length: int

    @property
    def tokens(self) -> int:
        """Of all of them."""
        return self.captions * self.length


class Packed(NamedTuple):
    """Captions in one row.

    Attributes:
        input_ids, position_ids: int64 of shape (1, tokens).
        segments: what the row consists of, in order.
        order: for each caption of the row its place among those that were given.
    """

    input_ids: Tensor
    position_ids: Tensor
    segments: list[Segment]
    order: list[int]


def register() -> None:
    """Makes the attention known to `transformers` by the name `ATTENTION`."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(ATTENTION, _attention)
    # For whoever calls an encoder with padding all the same.
    AttentionMaskInterface.register(ATTENTION, eager_mask)


def fits(encoder: nn.Module) -> bool:
    """Whether it is known where an encoder's positions begin; others, and decoders, have to be given padding."""
    config: Any = encoder.config
    return getattr(config, "model_type", None) in _BEHIND_PADDING and not getattr(config, "is_decoder", False)


def pack(ids: Sequence[Sequence[int]], encoder: nn.Module, device: torch.device) -> Packed:
    """Puts captions, given as token ids, into one row, the shortest first."""
    config: Any = encoder.config
    first = config.pad_token_id + 1 if _BEHIND_PADDING[config.model_type] else 0
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    segments = [Segment(len(list(same)), length) for length, same in groupby(order, key=lambda place: len(ids[place]))]
    flat = [token for place in order for token in ids[place]]
    positions = [
        position for segment in segments for position in [*range(first, first + segment.length)] * segment.captions
    ]
    return Packed(torch.tensor([flat], device=device), torch.tensor([positions], device=device), segments, order)


def unpack(hidden: Tensor, segments: Sequence[Segment]) -> list[Tensor]:
    """Of shape (tokens, width) -> for each segment, of shape (captions, length, width)."""
    parts = torch.split(hidden, [segment.tokens for segment in segments])
    return [part.view(captions, length, -1) for part, (captions, length) in zip(parts, segments, strict=True)]


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    segments: Sequence[Segment] = (),
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention as `transformers` calls it: (1, heads, tokens, size) each -> (1, tokens, heads, size).

    Towers are in eval mode, so there is no dropout. Without segments, captions come padded, with a mask.
    """
    if not segments:
        scores = query @ key.transpose(2, 3) * scaling
        weights = (scores if attention_mask is None else scores + attention_mask).softmax(-1)
        return (weights @ value).transpose(1, 2), None
    rows = (part[0].transpose(0, 1).contiguous() for part in (query, key, value))
    found: Tensor = _Attention.apply(*rows, scaling, segments)
    return found[None], None


class _Attention(torch.autograd.Function):
    """Softmax attention within captions, on (tokens, heads, size) each.

    Written out since autograd would keep a whole row of zeros for the gradient of each segment.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, segments: Sequence[Segment]
    ) -> Tensor:
        out = torch.empty_like(value, memory_format=torch.contiguous_format)
        kept = []
        for q, k, v, o in zip(*(_batches(row, segments) for row in (query, key, value, out)), strict=True):
            weights = (q @ k.transpose(-1, -2) * scaling).softmax(-1, dtype=_exact(v)).to(v.dtype)
            o.copy_(weights @ v)
            kept.append(weights)
        ctx.save_for_backward(query, key, value, *kept)
        ctx.scaling, ctx.segments = scaling, segments
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value, *kept = ctx.saved_tensors
        found = [torch.empty_like(row, memory_format=torch.contiguous_format) for row in (query, key, value)]
        rows = (_batches(row, ctx.segments) for row in (query, key, value, gradient.contiguous(), *found))
        for weights, q, k, v, g, to_q, to_k, to_v in zip(kept, *rows, strict=True):
            to_v.copy_(weights.transpose(-1, -2) @ g)
            of_weights = (g @ v.transpose(-1, -2)).to(_exact(v)) * weights
            scores = (of_weights - weights * of_weights.sum(-1, keepdim=True)).mul_(ctx.scaling).to(q.dtype)
            to_q.copy_(scores @ k)
            to_k.copy_(scores.transpose(-1, -2) @ q)
        to_query, to_key, to_value = found
        return to_query, to_key, to_value, None, None


def _exact(row: Tensor) -> torch.dtype:
    """In which sums over a caption are taken."""
    return torch.promote_types(row.dtype, torch.float32)


def _batches(row: Tensor, segments: Sequence[Segment]) -> list[Tensor]:
    """Of shape (tokens, heads, size) -> a view for each segment, of shape (captions, heads, length, size)."""
    parts = torch.split(row, [segment.tokens for segment in segments])
    return [
        part.view(captions, length, *row.shape[1:]).transpose(1, 2)
        for part, (captions, length) in zip(parts, segments, strict=True)
    ]
