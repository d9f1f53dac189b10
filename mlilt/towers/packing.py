"""Captions of any length in one row, without padding; each attends to its own tokens alone.

Krell et al., "Efficient Sequence Packing without Cross-contamination", 2021 (arXiv:2107.02027). Nearly all of an
encoder's work is done token by token, on one matrix of little more than the tokens there are; attention is computed in
tiles.

oneDNN makes a program for each number of rows that it multiplies, which takes as long as a few such products, and keeps
a thousand of them in memory. So a row is filled up to one of a few lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mlilt.towers import tiles as tiling
from mlilt.towers.tiles import Tiles

ATTENTION = "mlilt-packed"
# Whether positions are counted from behind the padding's id, not from 0, by `model_type`.
_BEHIND_PADDING = {"bert": False, "roberta": True, "xlm-roberta": True}


class Packed(NamedTuple):
    """Captions in one row, in the order that they came in.

    Attributes:
        input_ids, position_ids: int64 of shape (1, tokens and filling).
        lengths: of the captions, int64.
        tokens: of all captions; filling comes behind them.
        tiles: where they attend.
    """

    input_ids: Tensor
    position_ids: Tensor
    lengths: Tensor
    tokens: int
    tiles: Tiles


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
    """Puts captions, given as token ids, into one row."""
    config: Any = encoder.config
    first = config.pad_token_id + 1 if _BEHIND_PADDING[config.model_type] else 0
    lengths = [len(each) for each in ids]
    tokens = sum(lengths)
    filling = _filled(tokens) - tokens
    # A caption that nobody asks for: nothing comes from it and no gradient goes to it. The first token is as good as
    # any, and known wherever only some of the vocabulary is.
    row = [token for each in ids for token in each] + [token for each in ids[:1] for token in each[:1]] * filling
    places = [first + place for length in lengths for place in range(length)] + [first] * filling
    return Packed(
        torch.tensor([row], device=device),
        torch.tensor([places], device=device),
        torch.tensor(lengths, device=device),
        tokens,
        tiling.lay(lengths + [filling] * bool(filling), config.num_attention_heads, device),
    )


def _filled(tokens: int) -> int:
    """The next number with five significant binary digits: sixteen lengths from a power of two to the next.

    Where there is much to multiply, a program is soon worth its making: filling stays within a tile.
    """
    step = min(tiling.TILE, 1 << max(0, tokens.bit_length() - 5))
    return -(-tokens // step) * step


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    tiles: Tiles | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention as `transformers` calls it: (1, heads, tokens, size) each -> (1, tokens, heads, size).

    Towers are in eval mode, so there is no dropout. Without tiles, captions come padded, with a mask.
    """
    if tiles is None:
        scores = query @ key.transpose(2, 3) * scaling
        weights = (scores if attention_mask is None else scores + attention_mask).softmax(-1)
        return (weights @ value).transpose(1, 2), None
    query, key, value = (part[0].transpose(0, 1) for part in (query, key, value))
    return tiling.attention(query, key, value, scaling, tiles)[None], None
