"""Puts one new layer on top of the tower and trains that alone (and the final norm of models that have one).

The variant of Khan & Fu, ICLR 2023 (arXiv:2303.11866), section 4, in which a layer is appended to each tower. The
layer is built like the top one, with fresh weights. What ends its residual branches starts at zero, so that the new
layer is the identity at the start. Where a layer normalizes behind its residual sums, as BERT's do, it cannot quite
be: there its two LayerNorms start from the mean and the spread of what comes in, and the output hardly changes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from mlilt.strategies import _anatomy
from mlilt.strategies._base import NEW_BLOCKS, NothingToTrain, train


@dataclass(frozen=True, slots=True)
class AppendLayer:
    """See the module's docstring."""

    learning_rate: ClassVar[float] = 3e-4
    stage: ClassVar[int] = NEW_BLOCKS

    def unfreeze(self, tower: nn.Module) -> None:
        """Appends the layer and unfreezes it."""
        blocks = _anatomy.blocks(tower)
        name, top = blocks[-1]
        final = _anatomy.final_norms(tower)
        parent = tower.get_submodule(name.rpartition(".")[0])
        if not isinstance(parent, nn.Sequential | nn.ModuleList):
            raise NothingToTrain(f"it is not known how to append to {type(parent).__name__}")
        if not _anatomy.is_spatial(top) and not _is_known(tower, top):
            raise NothingToTrain(f"it is not known where the residual branches of {type(top).__name__} end")
        config: Any = getattr(tower, "config", None)
        # Its submodules' settings stay those of the tower.
        new = copy.deepcopy(top, {id(config): config})
        if _anatomy.is_timm(tower):
            _renew_timm(new)
            if _anatomy.is_spatial(new):
                _keep_shape(new)
        else:
            if len(blocks) != config.num_hidden_layers:
                raise NothingToTrain("its layers share their weights")
            _renew_transformers(new, tower)
        _start_as_identity(new, top)
        if _anatomy.is_spatial(new) and not _is_identity(new):
            raise NothingToTrain(f"no layer like its {type(top).__name__} can start as the identity")
        new.appended_by_strategy = True  # type: ignore[assignment]
        parent.append(new)
        if not _anatomy.is_timm(tower):
            _count_layer(tower, config)
        train([*new.parameters(), *(p for norm in final for p in norm.parameters())], "the new layer has no parameters")


def _is_known(tower: nn.Module, block: nn.Module) -> bool:
    """True for a transformer's block that is made of two known residual branches and no norm behind their sum."""
    own = {name for name, part in block.named_children() if _anatomy.is_norm(part)}
    return len(_anatomy.sublayers(block)) == 2 and (not _anatomy.is_timm(tower) or own <= {"norm1", "norm2"})


def _renew_transformers(block: nn.Module, tower: Any) -> None:
    """Fresh weights by the model's own scheme."""
    for module in block.modules():
        tower._init_weights(module)
        # Decoders keep keys and values by this number.
        if isinstance(number := getattr(module, "layer_idx", None), int):
            module.layer_idx = number + 1  # type: ignore[assignment]


def _count_layer(tower: nn.Module, config: Any) -> None:
    """One layer more in the tower's settings, which may be another model's too."""
    own = copy.deepcopy(config)
    own.num_hidden_layers += 1
    if kinds := getattr(own, "layer_types", None):
        own.layer_types = [*kinds, kinds[-1]]
    for module in tower.modules():
        if getattr(module, "config", None) is config:
            module.config = own


@torch.no_grad()
def _renew_timm(block: nn.Module) -> None:
    """Fresh weights as vision transformers start with; what is neither layer nor norm stays as in the top block."""
    for module in block.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Conv2d):
            # BatchNorm's statistics are fixed, so that the weights must keep the scale of what goes through.
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif _anatomy.is_norm(module):
            for name, tensor in module.state_dict(keep_vars=True).items():
                tensor.fill_(float(name in ("weight", "running_var")))
        if isinstance(bias := getattr(module, "bias", None), nn.Parameter):
            bias.zero_()


def _keep_shape(block: Any) -> None:
    """Makes a convolutional block, which may widen and shrink, one that keeps its shape and has a way around it."""
    size = _anatomy.width(block)
    if hasattr(block, "has_skip"):
        block.has_skip = True
    if hasattr(block, "downsample"):
        block.downsample = None
    if isinstance(getattr(block, "shortcut", None), nn.Module):
        block.shortcut = nn.Identity()
    convolutions = [(name, m) for name, m in _anatomy.branch(block) if isinstance(m, nn.Conv2d)]
    for place, (_, convolution) in enumerate(convolutions):
        convolution.stride = (1, 1)
        if place == 0 and convolution.in_channels != size and convolution.groups == 1:
            shape = (convolution.out_channels, size, *convolution.kernel_size)
            convolution.in_channels = size
            convolution.weight = nn.Parameter(convolution.weight.new_empty(shape))
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")


@torch.no_grad()
def _start_as_identity(new: nn.Module, top: nn.Module) -> None:
    if _anatomy.is_spatial(new):
        _zero(_anatomy.branch(new)[-1][1])
        return
    for sublayer in _anatomy.sublayers(new):
        ends = [m for part in sublayer.parts for m in part.modules() if isinstance(m, nn.Linear)]
        _zero(ends[-1])
    if _anatomy.is_post_norm(new):
        # A LayerNorm gives out w * n + b with n of mean 0 and variance 1 over the features, which the next one
        # takes to n again, as near as numbers for all features can: shifted by the mean, divided by the spread.
        last = _anatomy.norms(top)[-1][1]
        weight, bias = last.weight, last.bias
        mean = bias.mean()  # type: ignore[operator]
        spread = (weight.square() + bias.square()).mean().sub(mean.square()).sqrt()  # type: ignore[operator]
        for _, norm in _anatomy.norms(new):
            norm.weight.copy_(spread.expand_as(norm.weight))  # type: ignore[operator,arg-type]
            norm.bias.copy_(mean.expand_as(norm.bias))  # type: ignore[operator,arg-type]


def _zero(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        # A weight-standardized convolution's gain is no part of this.
        if parameter is getattr(module, "weight", None) or parameter is getattr(module, "bias", None):
            parameter.zero_()


def _is_identity(block: nn.Module) -> bool:
    """True if a convolutional block gives out what comes in, and learns; tried on features as they leave a ReLU."""
    trial = copy.deepcopy(block).eval().requires_grad_(True)
    end = _anatomy.branch(trial)[-1][1]
    if next(trial.parameters()).is_meta:
        trial.to_empty(device="cpu")
        with torch.no_grad():
            for tensor in trial.state_dict(keep_vars=True).values():
                tensor.fill_(1)
            _zero(end)
    first = next(trial.parameters())
    size = _anatomy.width(trial)
    features = torch.linspace(0, 1, 2 * size * 64, device=first.device, dtype=first.dtype).view(2, size, 8, 8)
    try:
        with torch.enable_grad():
            out = trial(features)
            out.sum().backward()
    except RuntimeError:  # shapes that do not fit
        return False
    # A ReLU right behind what starts at zero would never let it move.
    moves = any(p.grad is not None and bool(p.grad.any()) for p in end.parameters(recurse=False))
    return moves and torch.allclose(out, features)


STRATEGY = AppendLayer
