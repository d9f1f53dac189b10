"""A step's captions in two threads, each with half of the cores.

An encoder of a few hundred tokens is a long row of small operations. Spread over all cores each of them waits for the
slowest core, and between two of them all cores wait for the one that starts the next. Two halves of a batch are
independent until their gradients are added up, and each keeps its cores busy by itself.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
Item = TypeVar("Item", bound=Sized)

# Of two gradients either may come first: their sum has the same bits. Of three it would not.
_LANES = 2
# Python lets a thread that comes back from an operation wait this long for another that is between operations, which
# take a tenth of a millisecond; by default 5 ms.
_SWITCH_S = 5e-6


class Lanes:
    """Encodes the halves of a batch at the same time; its gradient is carried back likewise.

    Use `open`.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    @classmethod
    @contextlib.contextmanager
    def open(cls, on: bool = True) -> Iterator[Lanes | None]:
        """Lanes for as long as a run trains; None where there is one thread alone, or if not `on`."""
        threads = torch.get_num_threads()
        if not on or threads < _LANES:
            yield None
            return
        with _switching(_SWITCH_S), ThreadPoolExecutor(_LANES, "lane", _take, (threads // _LANES,)) as pool:
            lanes = cls(pool)
            # Each call waits for the other, so that each starts a thread.
            lanes.each(lambda barrier: barrier.wait(), [threading.Barrier(_LANES)] * _LANES)
            # What a thread sets for itself is what others that start later begin with.
            torch.set_num_threads(threads)
            yield lanes

    def encode(self, encode: Callable[[Sequence[Item]], Tensor], items: Sequence[Item]) -> Tensor:
        """What `encode` makes of items, up to rounding, in their order: float of shape (items, dim).

        Whether gradients are kept is as where this is called; all else that torch keeps for each thread, such as
        autocast, `encode` sets itself.

        Args:
            encode: items -> one row for each, independent of each other.
            items: what to encode; the halves have about the same length in all.
        """
        if len(items) < _LANES:
            return encode(items)
        # The longest in turn: a lane that has less to do waits.
        order = sorted(range(len(items)), key=lambda place: -len(items[place]))
        parts = [order[lane::_LANES] for lane in range(_LANES)]
        keeps = torch.is_grad_enabled()

        def encoded(part: list[int]) -> Tensor:
            with torch.set_grad_enabled(keeps):
                return encode([items[place] for place in part])

        found = self.each(encoded, parts)
        back = torch.tensor([place for part in parts for place in part]).argsort().to(found[0].device)
        if not any(part.requires_grad for part in found):
            return torch.cat(found)[back]
        joined: Tensor = _Joined.apply(torch.empty(0, requires_grad=True), self, found)
        return joined[back]

    def each(self, do: Callable[..., T], *arguments: Sequence[Any]) -> list[T]:
        """As `map`, a call in each lane. Errors are raised when all calls have ended."""
        calls = [self._pool.submit(do, *given) for given in zip(*arguments, strict=True)]
        wait(calls)
        return [call.result() for call in calls]


@contextlib.contextmanager
def _switching(seconds: float) -> Iterator[None]:
    """Python's switch interval for a while."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _take(threads: int) -> None:
    """Gives the calling thread so many for its operations."""
    # Else its first operation sets it to what was set last by any thread.
    torch.get_num_threads()
    torch.set_num_threads(threads)


class _Joined(torch.autograd.Function):
    """The lanes' rows one behind the other, each with a graph of its own, which autograd would go through in turn."""

    @staticmethod
    def forward(ctx: Any, wanted: Tensor, lanes: Lanes, parts: list[Tensor]) -> Tensor:
        ctx.lanes, ctx.parts = lanes, parts
        return torch.cat([part.detach() for part in parts])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, None]:
        ctx.lanes.each(torch.autograd.backward, ctx.parts, torch.split(gradient, [len(part) for part in ctx.parts]))
        return None, None, None
