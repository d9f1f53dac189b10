"""Attention within captions of any length: several share a tile of `TILE` tokens, where a mask keeps them apart.

Products of the captions one by one, of a few tokens each, take several times as long as products of tiles, though
these compute pairs of tokens for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Smaller tiles leave their products too small, larger ones compute more for nothing.
TILE = 32


class Tiles(NamedTuple):
    """Where attention is computed. A slot is a token's place in a tile, for one head.

    Attributes:
        taken: for each slot which row of (tokens x heads) it takes, int64; slots run by tile, head and place.
        slot: the slot of each token and head, int64 of shape (tokens, heads).
        masks: for the tiles of one size what is added to the scores, float32 of shape (tiles, 1, size, size): 0
            within a caption, minus infinity between captions. Places that no caption takes are one more.
    """

    taken: Tensor
    slot: Tensor
    masks: list[Tensor]


@dataclass(slots=True)
class _Tile:
    size: int
    captions: list[int] = field(default_factory=list)
    full: int = 0


def lay(lengths: Sequence[int], heads: int, device: torch.device) -> Tiles:
    """Lays captions of these lengths into tiles, the longest first, each where there still is room.

    Captions longer than a tile have tiles of their own size, a multiple of `TILE`.
    """
    tiles: list[_Tile] = []
    for caption in sorted(range(len(lengths)), key=lambda caption: -lengths[caption]):
        length = lengths[caption]
        found = next((each for each in tiles if each.size - each.full >= length), None)
        if found is None:
            tiles.append(found := _Tile(-(-length // TILE) * TILE))
        found.captions.append(caption)
        found.full += length
    starts = [0, *accumulate(lengths)]
    whose = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    taken, slot, masks = [], torch.empty(starts[-1], heads, dtype=torch.int64), []
    slots = 0
    head = torch.arange(heads)
    # The longest come first, so tiles of one size lie together.
    for size, same in ((size, list(group)) for size, group in groupby(tiles, lambda each: each.size)):
        token = torch.zeros(len(same), size, dtype=torch.int64)
        owner = torch.full((len(same), size), -1)
        for row, each in enumerate(same):
            places = torch.cat([torch.arange(starts[caption], starts[caption + 1]) for caption in each.captions])
            token[row, : each.full] = places
            owner[row, : each.full] = whose[places]
            # A tile's slots run head by head.
            slot[places] = slots + row * heads * size + torch.arange(each.full)[:, None] + head * size
        taken.append((token[:, None, :] * heads + head[:, None]).flatten())
        apart = (owner[:, :, None] != owner[:, None, :])[:, None]
        masks.append(torch.zeros(apart.shape).masked_fill_(apart, -torch.inf))
        slots += token.numel() * heads
    return Tiles(torch.cat(taken).to(device), slot.to(device), [mask.to(device) for mask in masks])


def attention(query: Tensor, key: Tensor, value: Tensor, scaling: float, tiles: Tiles) -> Tensor:
    """Softmax attention within captions, float of shape (tokens, heads, size) each and back."""
    found: Tensor = _Attention.apply(query, key, value, scaling, tiles)
    return found


class _Attention(torch.autograd.Function):
    """Written out since autograd would keep scores beside weights, and gather each row's gradient by itself."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, tiles: Tiles) -> Tensor:
        rows = [_gather(row, tiles) for row in (query * scaling, key, value)]
        out = torch.empty_like(rows[0])
        kept = []
        for mask, q, k, v, o in _each(tiles, *rows, out):
            scores = torch.bmm(q, k.transpose(1, 2))
            scores.view(len(mask), -1, *mask.shape[2:]).add_(mask.to(scores.dtype))
            weights = scores.softmax(-1)
            torch.bmm(weights, v, out=o)
            kept.append(weights)
        ctx.save_for_backward(*rows, *kept)
        ctx.scaling, ctx.tiles = scaling, tiles
        return _scatter(out, tiles, query)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        tiles: Tiles = ctx.tiles
        # Where a block is computed again, they may be taken once.
        saved = ctx.saved_tensors
        rows, kept = saved[:3], saved[3:]
        of_rows = [torch.empty_like(row) for row in rows]
        each = _each(tiles, *rows, _gather(gradient, tiles), *of_rows)
        for weights, (_, q, k, v, g, of_q, of_k, of_v) in zip(kept, each, strict=True):
            torch.bmm(weights.transpose(1, 2), g, out=of_v)
            of_weights = torch.bmm(g, v.transpose(1, 2))
            scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            torch.bmm(scores, k, out=of_q)
            torch.bmm(scores.transpose(1, 2), q, out=of_k)
        query, key, value = (_scatter(row, tiles, gradient) for row in of_rows)
        return query * ctx.scaling, key, value, None, None


def _gather(row: Tensor, tiles: Tiles) -> Tensor:
    """Of shape (tokens, heads, size) -> what each slot takes, of shape (slots, size)."""
    return row.reshape(-1, row.shape[-1]).index_select(0, tiles.taken)


def _scatter(slots: Tensor, tiles: Tiles, like: Tensor) -> Tensor:
    """Of shape (slots, size) -> (tokens, heads, size), without the places that no caption takes."""
    return slots.index_select(0, tiles.slot.flatten()).view(like.shape)


def _each(tiles: Tiles, *slots: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tiles of each size: their mask, and views of the slots, of shape (tiles x heads, places, size)."""
    heads = tiles.slot.shape[1]
    counts = [len(mask) * heads * mask.shape[-1] for mask in tiles.masks]
    for mask, *parts in zip(tiles.masks, *(torch.split(row, counts) for row in slots), strict=True):
        yield mask, *(part.view(len(mask) * heads, mask.shape[-1], -1) for part in parts)
