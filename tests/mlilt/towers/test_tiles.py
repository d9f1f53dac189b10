"""Attention in tiles, against each caption by itself."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from mlilt.towers import tiles as tiling
from mlilt.towers.tiles import TILE, Tiles

CPU = torch.device("cpu")
LENGTHS = st.lists(st.one_of(st.integers(1, 9), st.integers(TILE - 1, 2 * TILE + 1)), min_size=1, max_size=12)


def alone(rows: list[torch.Tensor], lengths: list[int], scaling: float) -> torch.Tensor:
    """torch's own attention, caption by caption."""
    captions = zip(*(row.split(lengths) for row in rows), strict=True)
    return torch.cat(
        [
            scaled_dot_product_attention(*(part.transpose(0, 1) for part in parts), scale=scaling).transpose(0, 1)
            for parts in captions
        ]
    )


@given(LENGTHS, st.integers(0, 100))
@settings(max_examples=50)
def test_attention_and_its_gradient_are_those_of_each_caption_by_itself(lengths: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (sum(lengths), 3, 5)
    given_ = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)]
    weights = torch.randn(shape, generator=generator, dtype=torch.float64)
    ours, theirs = ([row.clone().requires_grad_() for row in given_] for _ in range(2))
    found = tiling.attention(*ours, 0.3, tiling.lay(lengths, 3, CPU))
    expected = alone(theirs, lengths, 0.3)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-12)


@given(LENGTHS)
def test_every_token_has_one_slot_beside_its_caption_alone(lengths: list[int]) -> None:
    tiles: Tiles = tiling.lay(lengths, 2, CPU)
    tokens = sum(lengths)
    assert tiles.slot.shape == (tokens, 2)
    assert len(tiles.slot.unique()) == 2 * tokens
    assert tiles.taken[tiles.slot.flatten()].tolist() == list(range(2 * tokens))
    together = sum(int((mask == 0).sum()) for mask in tiles.masks)
    left = sum(mask.shape[0] * mask.shape[-1] for mask in tiles.masks) - tokens
    # Each caption with itself, and in each tile what is left over with itself.
    assert together >= sum(length**2 for length in lengths)
    assert (together == sum(length**2 for length in lengths)) == (left == 0)


def test_short_captions_share_tiles() -> None:
    sixteen, one = tiling.lay([TILE // 16] * 16, 1, CPU), tiling.lay([TILE - 3, 3], 1, CPU)
    assert [mask.shape for mask in sixteen.masks] == [mask.shape for mask in one.masks] == [(1, 1, TILE, TILE)]
    long = tiling.lay([TILE + 1, 5, TILE], 1, CPU)
    assert [mask.shape[-1] for mask in long.masks] == [2 * TILE, TILE]
    # The five stand beside the long one.
    assert [len(mask) for mask in long.masks] == [1, 1]


def test_what_stands_where_no_caption_is_changes_nothing() -> None:
    lengths = [5, 9]
    rows = [torch.randn(14, 2, 4) for _ in range(3)]
    tiles = tiling.lay(lengths, 2, CPU)
    other = tiles._replace(taken=torch.where(torch.isin(torch.arange(2 * TILE), tiles.slot), tiles.taken, 27))
    assert (other.taken != tiles.taken).any()
    torch.testing.assert_close(tiling.attention(*rows, 0.5, tiles), tiling.attention(*rows, 0.5, other), rtol=0, atol=0)
