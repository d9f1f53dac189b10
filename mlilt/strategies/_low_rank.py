"""A linear layer with LoRA's product, in as few passes over its activations as there are matrix products.

peft casts the input to the product's dtype and, under autocast, back, and scales and adds what comes out in passes of
their own: more time than the products themselves take, which are narrow. Parameters, names and merging stay peft's.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners import lora
from torch import Tensor, nn


class _Product(torch.autograd.Function):
    """x Wᵀ + b + scale · (x Aᵀ) Bᵀ, each product added where the one before it left its sum."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        """x of shape (n, in), weight (out, in), bias (out,), down (rank, in), up (out, rank), all of one dtype."""
        out = torch.mm(x, weight.t()) if bias is None else torch.addmm(bias, x, weight.t())
        low = torch.mm(x, down.t())
        # Into itself: what counts operations does not know the method that does the same.
        torch.addmm(out, low, up.t(), alpha=scale, out=out)
        ctx.save_for_backward(x, weight, down, up, low)
        ctx.scale = scale
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, bias, down and up, as far as they are wanted; the weight is frozen."""
        x, weight, down, up, low = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        of_low = torch.mm(gradient, up).mul_(ctx.scale)
        of_x = None
        if wanted[0]:
            of_x = torch.mm(gradient, weight)
            torch.addmm(of_x, of_low, down, out=of_x)
        of_bias = gradient.sum(0) if wanted[2] else None
        return of_x, None, of_bias, of_low.t().mm(x), gradient.t().mm(low).mul_(ctx.scale), None


class LowRankLinear(lora.Linear):  # type: ignore[misc]
    """peft's layer; only the way to its output differs."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """As the layer that it was: x of shape (..., in), output (..., out) in autocast's dtype or x's."""
        base = self.get_base_layer()
        # Converters to other formats know torch's own operations alone.
        tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        converted = tracing or torch.compiler.is_exporting()
        if args or kwargs or converted or self.disable_adapters or self.merged or base.weight.requires_grad:
            return super().forward(x, *args, **kwargs)  # type: ignore[no-any-return]
        (name,) = self.active_adapters
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        down, up = self.lora_A[name].weight, self.lora_B[name].weight
        with torch.autocast(kind, enabled=False):
            flat = x.to(dtype).reshape(-1, x.shape[-1])
            weight, down, up = (t.to(dtype) for t in (base.weight, down, up))
            bias = None if base.bias is None else base.bias.to(dtype)
            out = _Product.apply(flat, weight, bias, down, up, self.scaling[name])
        return out.view(*x.shape[:-1], out.shape[-1])  # type: ignore[no-any-return]


def speed_up(tower: nn.Module) -> None:
    """Has all linear layers with one plain LoRA product, no dropout, take the shorter way, in place."""
    # Not subclasses, which may hold their weights in another form.
    layers: list[Any] = [module for module in tower.modules() if type(module) is lora.Linear]
    for module in layers:
        plain = type(module.get_base_layer()) is nn.Linear and len(module.active_adapters) == 1
        keeps_all = all(isinstance(dropout, nn.Identity) for dropout in module.lora_dropout.values())
        if plain and keeps_all and not module.lora_variant:
            module.__class__ = LowRankLinear
