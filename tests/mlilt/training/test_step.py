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
from mlilt.training.batching import Batcher
from mlilt.training.distributed import World
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
    [nothing] = step._captions([])
    assert nothing().shape == (0, config.dim)
    pixels.close()
