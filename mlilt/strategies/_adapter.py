"""The adapter, and how one comes into a tower without replacing any module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Adapter(nn.Module):
    """h + up(gelu(down(h))); the identity at the start, since `up` starts at zero.

    Args:
        width: size of h: the last axis, or the channels (second axis) if `spatial`.
        bottleneck: size between `down` and `up`.
        spatial: made of 1x1 convolutions, for (n, channels, height, width).
        like: a parameter whose device and dtype it takes.
    """

    def __init__(self, width: int, bottleneck: int, spatial: bool, like: Tensor) -> None:
        super().__init__()
        self.spatial = spatial
        place: dict[str, Any] = {"device": like.device, "dtype": like.dtype}
        self.down: nn.Module
        self.up: nn.Module
        if spatial:
            self.down = nn.Conv2d(width, bottleneck, 1, **place)
            self.up = nn.Conv2d(bottleneck, width, 1, **place)
        else:
            self.down = nn.Linear(width, bottleneck, **place)
            self.up = nn.Linear(bottleneck, width, **place)
        with torch.no_grad():
            for parameter in self.up.parameters():
                parameter.zero_()

    def forward(self, h: Tensor) -> Tensor:
        """Any shape with the width in its place -> the same shape."""
        adapted: Tensor = h + self.up(F.gelu(self.down(h)))
        return adapted


Put: TypeAlias = "Callable[[nn.Module, Adapter], None]"


def before(module: nn.Module, adapter: Adapter) -> None:
    """Puts an adapter on what comes into a module, as its child `adapter_before`."""
    _add(module, "adapter_before", adapter)
    module.register_forward_pre_hook(_adapt_input)


def after(module: nn.Module, adapter: Adapter) -> None:
    """Puts an adapter on what a module gives out (of several things on the first), as its child `adapter_after`."""
    _add(module, "adapter_after", adapter)
    module.register_forward_hook(_adapt_output)


def _add(module: nn.Module, name: str, adapter: Adapter) -> None:
    if hasattr(module, name):
        raise ValueError(f"{type(module).__name__} has an {name} already: a strategy is applied to a fresh tower")
    module.add_module(name, adapter)
    adapter.requires_grad_(True)


# The hooks take the adapter from the module that they are called with, so that a copy of a tower uses its own.


def _adapt_input(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (module.adapter_before(args[0]), *args[1:])  # type: ignore[operator]


def _adapt_output(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
    if isinstance(output, tuple):
        return (module.adapter_after(output[0]), *output[1:])  # type: ignore[operator]
    return module.adapter_after(output)  # type: ignore[operator]
