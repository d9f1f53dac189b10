"""Counts the floating-point operations of training steps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import (
    conv_flop_count,
    flop_registry,
    sdpa_backward_flop_count,
    sdpa_flop_count,
    shape_wrapper,
)

# Batches differ by the length of their captions; so many tell the mean, and counting slows steps down a little.
COUNTED_STEPS = 8


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward(
    gradient: Sequence[int], query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object
) -> int:
    return int(sdpa_backward_flop_count(gradient, query, key, value))  # type: ignore[no-untyped-call]


def _convolution_backward(gradient: Any, pictures: Any, weight: Any, *rest: Any, **__: object) -> int:
    """Each gradient takes the forward pass's products once."""
    transposed, wanted = rest[-4], rest[-1]
    return int(conv_flop_count(pictures, weight, gradient, transposed)) * int(sum(wanted[:2]))


# torch counts fused attention on GPUs alone, and gradients of grouped convolutions' weights as if of one group.
_OWN: dict[Any, Callable[..., int]] = {
    torch.ops.aten.convolution_backward: _convolution_backward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


_COUNTS = {**flop_registry, **{op: shape_wrapper(count) for op, count in _OWN.items()}}  # type: ignore[no-untyped-call]


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """torch's own FlopCounterMode without its sums by module, whose hooks take longer than a small tower's step."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        count = _COUNTS.get(func._overloadpacket)
        if count is None:
            # In inference mode what is made of others, such as a linear layer, arrives whole.
            with self:
                out = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if out is NotImplemented else out
        out = func(*args, **kwargs)
        self.total += count(*args, **kwargs, out_val=out)
        return out


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
    def step(self, number: int, pairs: int) -> Iterator[bool]:
        """Counts the step that it is put around, if its number, from 0, is among the first, and says whether it does.

        What is counted has to be computed in the thread that asks.
        """
        if not self._on or number >= COUNTED_STEPS:
            yield False
            return
        with _Counter() as counter:
            yield True
        self.total += counter.total
        self.pairs += pairs

    def per_pair(self, processes: int) -> float | None:
        """Operations of one pair; None if nothing was counted. The processes have equal shares."""
        return self.total * processes / self.pairs if self.pairs else None
