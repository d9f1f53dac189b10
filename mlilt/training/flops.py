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

    Attributes:
        total: operations so far, of this process.
        pairs: (picture, caption) pairs of the same steps, of all processes.
    """

    def __init__(self, on: bool = True) -> None:
        self.total = 0
        self.pairs = 0
        self._steps = 0 if on else COUNTED_STEPS

    @contextlib.contextmanager
    def step(self, pairs: int) -> Iterator[None]:
        """Counts the step that it is put around, if it is among the first."""
        if self._steps >= COUNTED_STEPS:
            yield
            return
        with FlopCounterMode(display=False) as counter:
            yield
        self._steps += 1
        self.total += counter.get_total_flops()
        self.pairs += pairs

    def per_pair(self, processes: int) -> float | None:
        """Operations of one pair; None if nothing was counted. The processes have equal shares."""
        return self.total * processes / self.pairs if self.pairs else None
