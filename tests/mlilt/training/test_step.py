"""One step on real towers: chunks, pictures decoded ahead, and a process without any."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mlilt import data
from mlilt.config import RunConfig
from mlilt.model import assemble
from mlilt.towers import text, vision
from mlilt.training import corpus
from mlilt.training.activations import checkpoint_blocks
from mlilt.training.batching import Batcher
from mlilt.training.distributed import World
from mlilt.training.lanes import Lanes
from mlilt.training.pictures import Pictures, Pixels
from mlilt.training.resolve import resolve
from mlilt.training.step import Step


class Watched(Pixels):
    """Counts how often a chunk was decoded ahead when it was taken."""

    taken = ready = 0

    def take(self, places: list[int]) -> torch.Tensor:
        self.taken += 1
        self.ready += tuple(places) in self._waiting
        return super().take(places)


@pytest.mark.parametrize("chunk", [4, 100])
def test_every_chunk_but_the_first_is_decoded_ahead_and_none_is_left_behind(
    chunk: int, settings: Callable[..., RunConfig], tiny: dict[str, str], tiny_eyes: dict[str, str]
) -> None:
    strategies = {"strategy": "layernorm", "vision_strategy": "layernorm"}
    config = resolve(settings(text=tiny["mbert"], vision=tiny_eyes["cnn"], chunk_size=chunk, **strategies))
    tower, eyes = text.load(config.text), vision.load(config.vision)
    dual, _, _ = assemble(config, tower, eyes)
    train = corpus.read(config).train
    batches = Batcher(data.entries(train.rows), tower.tokenize, 8, 2, 0.4, 0).epoch(0)[:4]
    pixels = Watched(eyes, Pictures(train))
    step = Step(dual, config, train.image, pixels, torch.float32, World())
    for batch, following in zip(batches, [*batches[1:], None], strict=True):
        loss = step.backward(batch, following)
        assert loss > 0
        assert all(p.grad is not None for p in step._trained)
    assert pixels.ready == pixels.taken - 1
    assert not pixels._waiting
    # Where there are fewer captions than processes one has nothing to encode.
    [nothing] = step._pictures([], [])
    assert nothing().shape == (0, config.dim)
    [nothing] = step._captions([], None)
    assert nothing().shape == (0, config.dim)
    pixels.close()


@pytest.mark.parametrize(
    ("strategy", "chunk", "block"), [("layernorm", 100, False), ("lora", 3, False), ("full", 100, True)]
)
def test_lanes_change_no_gradient(
    strategy: str,
    chunk: int,
    block: bool,
    settings: Callable[..., RunConfig],
    tiny: dict[str, str],
    tiny_eyes: dict[str, str],
) -> None:
    config = resolve(settings(text=tiny["mbert"], vision=tiny_eyes["cnn"], chunk_size=chunk, strategy=strategy))
    tower, eyes = text.load(config.text), vision.load(config.vision)
    dual, _, _ = assemble(config, tower, eyes)
    if block:
        checkpoint_blocks(tower.encoder)
    train = corpus.read(config).train
    batches = Batcher(data.entries(train.rows), tower.tokenize, 8, 2, 0.4, 0).epoch(0)[:2]
    shown = torch.randn(len(train.image_ids), eyes.width, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with Lanes.open() as lanes:
            assert lanes is not None
            step = Step(dual, config, train.image, shown, torch.float32, World(), lanes)
            for batch in batches:
                loss = step.backward(batch, here=True)
                plain = [p.grad.clone() for p in step._trained if p.grad is not None]
                assert step.backward(batch) == pytest.approx(loss, rel=1e-5)
                assert len(plain) == len(step._trained)
                for parameter, gradient in zip(step._trained, plain, strict=True):
                    torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)
    finally:
        torch.set_num_threads(threads)
