"""Counts the floating-point operations of training steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch.utils.flop_counter import FlopCounterMode

# Batches differ by the length of their captions; so many tell the mean, and counting slows steps down a little.
COUNTED_STEPS = 8


class Flops:
    """Operations of matrix products and convolutions, forwards and backwards, in a run's first steps.

    A multiplication and an addition are two operations. Counted as they are carried out, so that what a strategy
    spares (gradients of frozen weights) is not in them; norms, activations and the optimizer are not either.

    Counting can take another way through torch, with other roundings. So it depends on the number of a step alone, and
    a run that is resumed among the first counts on: else its weights would not be the same bit for bit.

    Attributes:
        total: operations so far, of this process.
        pairs: (picture, caption) pairs of the same steps, of all processes.
    """

    def __init__(self, total: int = 0, pairs: int = 0, on: bool = True) -> None:
        self.total = total
        self.pairs = pairs
        self._on = on

    @contextlib.contextmanager
    def step(self, number: int, pairs: int) -> Iterator[None]:
        """Counts the step that it is put around, if its number, from 0, is among the first."""
        if not self._on or number >= COUNTED_STEPS:
            yield
            return
        with FlopCounterMode(display=False) as counter:
            yield
        self.total += counter.get_total_flops()
        self.pairs += pairs

    def per_pair(self, processes: int) -> float | None:
        """Operations of one pair; None if nothing was counted. The processes have equal shares."""
        return self.total * processes / self.pairs if self.pairs else None
