"""What a tower is made of: its blocks, their sub-layers, linear layers and norms.

The one place that knows how `transformers` encoders and timm models are built. It knows attribute names and does not
guess: where a structure is not known, it says so, and the strategies that need none of it still work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from torch.nn.modules.conv import _ConvNd

from mlilt.strategies._base import NothingToTrain

# Attributes of a block, by what they hold.
_ATTENTION = ("attention", "self_attn", "attn", "self_attention")
_MLP = (("mlp",), ("ffn",), ("feed_forward",), ("intermediate", "output"), ("fc1", "fc2"))
# Ways around a residual branch, and gates within one, that lead to its sum with other weights than its own.
_SHORTCUTS = {"downsample", "shortcut", "skip"}
_GATES = {"se", "attn", "attn_last", "attn2"}
# The last norm of a block that normalizes behind its residual sums.
_POST_NORMS = ("output.LayerNorm", "output_layer_norm", "post_mlp_layernorm")
_KEYS_AND_VALUES = {"key", "value", "k_lin", "v_lin", "k_proj", "v_proj", "key_proj", "value_proj", "k", "v"}
_FUSED = {"qkv", "Wqkv", "query_key_value", "kv"}


@dataclass(frozen=True, slots=True)
class Sublayer:
    """One residual branch of a transformer block.

    Attributes:
        kind: which of the two.
        parts: the modules that hold its weights.
        end: the module whose output is what the branch adds to the residual stream.
    """

    kind: Literal["attention", "mlp"]
    parts: tuple[nn.Module, ...]
    end: nn.Module


def is_timm(tower: nn.Module) -> bool:
    """True for a timm model, False for a `transformers` one."""
    return callable(getattr(tower, "group_matcher", None))


def plain(module: nn.Module) -> nn.Module:
    """The module itself, or what it is that peft wrapped."""
    inner = getattr(module, "base_layer", module)
    assert isinstance(inner, nn.Module)
    return inner


def is_norm(module: nn.Module) -> bool:
    """LayerNorm, RMSNorm, GroupNorm, BatchNorm and the models' own classes, if they have weights."""
    if not module._parameters or all(p is None for p in module._parameters.values()):
        return False
    return "norm" in type(module).__name__.lower() and not isinstance(module, nn.Linear | _ConvNd)


def norms(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """All norms with their names, in order; not those of appended blocks."""
    appended = [name for name, part in module.named_modules() if is_appended(part)]
    return [
        (name, part)
        for name, part in module.named_modules()
        if is_norm(part) and not any(name.startswith(f"{block}.") for block in appended)
    ]


def is_appended(module: nn.Module) -> bool:
    """True for a block that a strategy put on top of the tower's own ones."""
    return bool(getattr(module, "appended_by_strategy", False))


def blocks(tower: nn.Module) -> list[tuple[str, nn.Module]]:
    """The tower's own blocks with their names, from input to output.

    Raises:
        NothingToTrain: it is not known what its blocks are.
    """
    found = _timm_blocks(tower) if is_timm(tower) else _transformers_blocks(tower)
    found = [(name, block) for name, block in found if not is_appended(block)]
    if not found:
        raise NothingToTrain(f"it is not known where the blocks of {type(tower).__name__} are")
    return found


def _timm_blocks(tower: Any) -> list[tuple[str, nn.Module]]:
    # timm groups parameters by depth, for learning rates that depend on it: regular expressions, of which the
    # first that matches counts; those with a number of their own are for what is no block.
    matcher = tower.group_matcher(coarse=False).get("blocks", [])
    patterns = [(matcher, None)] if isinstance(matcher, str) else matcher
    names: dict[str, None] = {}
    for parameter, _ in tower.named_parameters():
        for pattern, number in patterns:
            if match := re.match(pattern, parameter):
                if number is None:
                    names.setdefault(match.group())
                break
    modules = dict(tower.named_modules())
    return [(name, modules[name]) for name in names if name in modules]


def _transformers_blocks(tower: nn.Module) -> list[tuple[str, nn.Module]]:
    lists: dict[str, nn.ModuleList] = {}
    for name, module in tower.named_modules():
        # Lists within a block, such as experts, are none of blocks.
        within = any(name.startswith(f"{outer}.") for outer in lists)
        if isinstance(module, nn.ModuleList) and len({type(part) for part in module}) == 1 and not within:
            lists[name] = module
    if not lists:
        return []
    longest = max(lists, key=lambda name: len(lists[name]))
    return [(f"{longest}.{number}", block) for number, block in enumerate(lists[longest])]


def _at(module: nn.Module, path: str) -> nn.Module | None:
    """The module at a dotted path, or None."""
    found: Any = module
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, nn.Module) else None


def _walk(module: nn.Module, skipped: set[str], prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Modules below one, in order; what was added to the tower by peft or as an adapter is left out."""
    for name, child in module.named_children():
        if name in skipped or name.startswith("adapter_"):
            continue
        yield prefix + name, plain(child)
        yield from _walk(plain(child), skipped, f"{prefix}{name}.")


def _is_layer(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | nn.Conv2d)


def layers(block: nn.Module) -> list[tuple[str, nn.Module]]:
    """Linear layers and convolutions of a block with their names in it, in order."""
    return [(name, module) for name, module in _walk(block, set()) if _is_layer(module)]


def sublayers(block: nn.Module) -> list[Sublayer]:
    """The known residual branches of a transformer block; a convolutional block has at most an mlp."""
    found = []
    for name in _ATTENTION:
        attention = _at(block, name)
        # Of a convolutional network's blocks, `attn` is a gate over channels.
        if attention is not None and any(isinstance(part, nn.Linear) for _, part in _walk(attention, set())):
            end = _at(attention, "output.dropout") or _at(attention, "attn") or attention
            found.append(Sublayer("attention", (attention,), end))
            break
    for names in _MLP:
        parts = [part for part in (_at(block, name) for name in names) if part is not None]
        if len(parts) == len(names):
            dropout = _at(parts[-1], "dropout") if names == ("intermediate", "output") else None
            found.append(Sublayer("mlp", tuple(parts), dropout or parts[-1]))
            break
    return found


def has_attention(block: nn.Module) -> bool:
    """True for a transformer's block."""
    return any(sublayer.kind == "attention" for sublayer in sublayers(block))


def weights(sublayer: Sublayer) -> list[nn.Parameter]:
    """A sub-layer's parameters without those of its norms."""
    normal = {id(p) for part in sublayer.parts for m in part.modules() if is_norm(m) for p in m.parameters(False)}
    return [p for part in sublayer.parts for p in part.parameters() if id(p) not in normal]


def sublayer_weights(tower: nn.Module, kind: Literal["attention", "mlp"]) -> list[nn.Parameter]:
    """Parameters of all sub-layers of one kind, without norms."""
    return [p for _, block in blocks(tower) for s in sublayers(block) if s.kind == kind for p in weights(s)]


def is_spatial(block: nn.Module) -> bool:
    """True for a convolutional block: it works on (n, channels, height, width).

    One that starts with a linear layer has its channels last, even if convolutions follow.
    """
    first = next((module for _, module in _walk(block, _SHORTCUTS) if _is_layer(module)), None)
    return isinstance(first, nn.Conv2d) and not has_attention(block)


def branch(block: nn.Module) -> list[tuple[str, nn.Module]]:
    """Layers and norms of a convolutional block's residual branch with their names, in order."""
    found = _walk(block, _SHORTCUTS | _GATES)
    return [(name, module) for name, module in found if _is_layer(module) or is_norm(module)]


def width(block: nn.Module) -> int:
    """Size of what a block gives out: features of a token, or channels.

    Raises:
        NothingToTrain: it has no linear layer or convolution.
    """
    skipped = _SHORTCUTS | (_GATES if is_spatial(block) else set())
    sizes = [_size(module) for _, module in _walk(block, skipped) if _is_layer(module)]
    if not sizes:
        raise NothingToTrain(f"its blocks ({type(block).__name__}) have neither linear layers nor convolutions")
    return sizes[-1]


def _size(layer: nn.Module) -> int:
    return layer.out_channels if isinstance(layer, nn.Conv2d) else int(layer.out_features)  # type: ignore[arg-type]


def is_post_norm(block: nn.Module) -> bool:
    """True if a block normalizes behind its residual sums, as BERT does."""
    return any(_at(block, path) is not None for path in _POST_NORMS)


def final_norms(tower: nn.Module) -> list[nn.Module]:
    """Norms that directly follow the last block: part of what its output is."""
    last, block = blocks(tower)[-1]
    if is_post_norm(block):
        return []
    names = [name for name, _ in tower.named_modules()]
    behind = names[max(place for place, name in enumerate(names) if name.startswith(f"{last}.") or name == last) + 1 :]
    found = []
    for name in behind:
        module = tower.get_submodule(name)
        if _is_layer(module):
            break
        if is_norm(module):
            found.append(module)
    return found


def targets(tower: nn.Module) -> list[str]:
    """Names of the layers of the blocks to which a product may be added beside: linear ones, ungrouped convolutions."""
    return [
        f"{block}.{name}"
        for block, module in blocks(tower)
        for name, layer in layers(module)
        if _is_called(module, name) and (isinstance(layer, nn.Linear) or _is_ordinary(layer))
    ]


def _is_ordinary(layer: nn.Module) -> bool:
    """True for an ungrouped convolution whose padding another convolution can take over."""
    if not isinstance(layer, nn.Conv2d) or layer.groups > 1:
        return False
    # TensorFlow's "same" padding is computed in such a class's forward.
    return not type(layer).__name__.endswith("Same") or (layer.kernel_size == (1, 1) and layer.stride == (1, 1))


def _is_called(block: nn.Module, name: str) -> bool:
    """False for a fused projection of which only the weight is used, since its biases are kept apart."""
    parent, _, leaf = name.rpartition(".")
    return leaf != "qkv" or getattr(block.get_submodule(parent), "q_bias", None) is None


def rescaled(tower: nn.Module) -> tuple[list[str], list[str]]:
    """Names of layers whose output is rescaled, and of those whose input is: keys, values and inner activations.

    Of a fused projection all is rescaled, queries too; of a convolutional block each convolution's output.
    """
    possible = set(targets(tower))
    outputs, inputs = [], []
    for block_name, block in blocks(tower):
        found = sublayers(block)
        for sublayer in found:
            own = {id(module) for part in sublayer.parts for module in part.modules()}
            names = [f"{block_name}.{name}" for name, layer in layers(block) if id(layer) in own]
            names = [name for name in names if name in possible]
            if sublayer.kind == "mlp":
                inputs += names[-1:]
            else:
                leaves = {name: name.rpartition(".")[2] for name in names}
                split = [name for name in names if leaves[name] in _KEYS_AND_VALUES]
                outputs += split or [name for name in names if leaves[name] in _FUSED] or names
        if not found:
            outputs += [f"{block_name}.{n}" for n, _ in layers(block) if f"{block_name}.{n}" in possible]
    return outputs, inputs
