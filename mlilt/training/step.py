"""The gradient of one batch: its captions and pictures in chunks, on one process or several."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from mlilt import strategies
from mlilt.alignment import gradient, objectives
from mlilt.alignment.dual_encoder import DualEncoder
from mlilt.alignment.gradient import Side, Term
from mlilt.alignment.pairs import Pairs
from mlilt.config import RunConfig
from mlilt.training.batching import Batch
from mlilt.training.distributed import World
from mlilt.training.lanes import Lanes
from mlilt.training.pictures import Pixels

T = TypeVar("T")


class Step:
    """Computes gradients of batches.

    Args:
        dual: the dual encoder, on the device where to compute.
        config: resolved settings.
        image: for each row of the training split the place of its picture, int64.
        shown: features of all pictures by place, float of shape (pictures, width), on the device; or, where the
            vision tower trains, what decodes them.
        dtype: precision of matrix products.
        world: the processes that train together.
        lanes: where captions are encoded, if not in the thread that asks.
    """

    def __init__(
        self,
        dual: DualEncoder,
        config: RunConfig,
        image: Tensor,
        shown: Tensor | Pixels,
        dtype: torch.dtype,
        world: World,
        lanes: Lanes | None = None,
    ) -> None:
        assert config.chunk_size is not None, "settings are resolved"
        self._dual = dual
        self._device = dual.log_scale.device
        self._image = image
        self._shown = shown
        self._dtype = dtype
        self._world = world
        self._lanes = lanes
        self._chunk = config.chunk_size
        self._objective = objectives.load(config.objective)
        self._smoothing = config.label_smoothing
        self._bridge_weight = config.bridge_weight
        self._trained = list(strategies.trained_parameters(dual).values())

    def backward(self, batch: Batch, following: Batch | None = None, here: bool = False) -> float:
        """Sets the gradient of all that trains, the same in every process, and returns the batch's loss.

        Args:
            batch: the batch, dealt to the processes, the same in each.
            following: the next one, dealt too, whose pictures may be decoded meanwhile.
            here: compute all in this thread, for what looks at its operations.
        """
        world = self._world
        lanes = None if here else self._lanes
        captions, pictures = batch.shares(world.size)
        own, own_pictures = gradient.share(captions, world.rank), gradient.share(pictures, world.rank)
        places = self._image[batch.pictures]
        sides = {
            "text": Side(self._captions(batch.tokens[own], lanes), captions),
            "image": Side(self._pictures(places[own_pictures].tolist(), self._first_places(following)), pictures),
        }
        pairs = Pairs(
            owner=torch.tensor(batch.owners, device=self._device),
            image=places.to(self._device),
            concept=torch.tensor(batch.concepts, device=self._device),
            caption=torch.tensor(batch.captions, device=self._device),
        )
        terms = [Term("text", "image", pairs.positive)]
        if batch.translations:
            sides["translation"] = Side(self._captions(batch.translations[own], lanes), captions)
            terms.append(Term("text", "translation", pairs.translations, self._bridge_weight))
        for parameter in self._trained:
            parameter.grad = None
        loss = gradient.backward(sides, terms, self._dual.logits, self._objective, self._smoothing, world)
        self._add_up()
        world.add_up([loss])
        return float(loss)

    def _captions(self, tokens: Sequence[list[int]], lanes: Lanes | None) -> list[Callable[[], Tensor]]:
        def encode(part: Sequence[list[int]]) -> Tensor:
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
                return self._dual.encode_text(part)

        return self._chunks(tokens, encode if lanes is None else functools.partial(lanes.encode, encode))

    def _pictures(self, places: Sequence[int], following: Sequence[int]) -> list[Callable[[], Tensor]]:
        shown = self._shown
        if isinstance(shown, Tensor):
            return self._chunks(places, lambda part: self._dual.encode_image(shown[list(part)].float()))
        parts = self._parts(places)
        # Where there are several, all are computed twice; behind the last comes the next batch.
        coming = iter([*parts, *(parts if len(parts) > 1 else []), following][1:])

        def encode(part: Sequence[int]) -> Tensor:
            pixels = shown.take(part)
            shown.ahead(next(coming))
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
                return self._dual.encode_pixels(pixels.to(self._device, non_blocking=True))

        return self._chunks(places, encode)

    def _first_places(self, batch: Batch | None) -> list[int]:
        """Places of the first chunk of this process's pictures of a batch."""
        if batch is None or isinstance(self._shown, Tensor):
            return []
        own = gradient.share(batch.shares(self._world.size)[1], self._world.rank)
        return self._image[batch.pictures[own][: self._chunk]].tolist()

    def _parts(self, items: Sequence[T]) -> list[Sequence[T]]:
        return [items[start : start + self._chunk] for start in range(0, len(items), self._chunk)]

    def _chunks(self, items: Sequence[T], encode: Callable[[Sequence[T]], Tensor]) -> list[Callable[[], Tensor]]:
        if not items:
            return [lambda: torch.empty(0, len(self._dual.text_projection.weight), device=self._device)]
        return [lambda part=part: encode(part) for part in self._parts(items)]  # type: ignore[misc]

    def _add_up(self) -> None:
        """Adds up all processes' parts of the gradients. What has a gradient in none keeps none."""
        if self._world.size == 1:
            return
        has = torch.tensor([float(p.grad is not None) for p in self._trained], device=self._device)
        self._world.add_up([has])
        there = [p for p, some in zip(self._trained, has.tolist(), strict=True) if some]
        for parameter in there:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._world.add_up([p.grad for p in there if p.grad is not None])
