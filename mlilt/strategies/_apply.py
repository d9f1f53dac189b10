"""Applies a strategy to a tower."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from data_prep.errors import UserError
from mlilt.strategies import _anatomy, _spec
from mlilt.strategies._adapter import Adapter
from mlilt.strategies._base import Account, NothingToTrain, Strategy, trained_parameters


def apply(strategy: Strategy, tower: nn.Module, always_freeze: Sequence[int] = (), name: str = "the tower") -> Account:
    """Freezes a tower, lets the strategy unfreeze what it trains, and says what that was.

    The tower stays in eval mode: dropout is off and BatchNorm keeps its running statistics. Initial values of what is
    added follow from torch's generator.

    Args:
        strategy: comes from `load`.
        tower: a `transformers` encoder or a timm model, fresh: a strategy is applied once. It may be on
            the meta device.
        always_freeze: numbers of blocks of which nothing trains, from 0 at the input, or negative from the top. Blocks
            that the strategy appends are not counted.
        name: what to call the tower in errors.

    Raises:
        UserError: the strategy finds nothing to train in this tower, or there is no such block. The tower is then not
            to be used.
    """
    # What trains nothing by its purpose changes nothing and cannot fail: no copy is needed to tell what would not.
    spare = tower if _is_frozen(strategy) else _skeleton(tower)
    try:
        return attempt(strategy, tower, always_freeze, name, spare)
    except NothingToTrain as nothing:
        fitting = [other for other in _spec.names() if other != "frozen" and _trains(other, spare, always_freeze)]
        raise UserError(
            f"The strategy {_spec.name_of(strategy)} finds nothing to train in {name}: {nothing}. "
            + (f"What would train something there: {', '.join(fitting)}." if fitting else "Nor would any other.")
        ) from nothing


def attempt(strategy: Strategy, tower: nn.Module, always_freeze: Sequence[int], name: str, spare: nn.Module) -> Account:
    """As `apply`, but a strategy that finds nothing to train is a NothingToTrain with the bare reason.

    Args:
        spare: the tower as it was, on the meta device.
    """
    locked = _locked(tower, always_freeze, name)
    tower.requires_grad_(False)
    strategy.unfreeze(tower)
    found = bool(trained_parameters(tower))
    for block in locked:
        block.requires_grad_(False)
    tower.eval()
    trained = {name: p.numel() for name, p in trained_parameters(tower).items()}
    if not trained and (found or not _is_frozen(strategy)):
        raise NothingToTrain("always_freeze keeps all of it frozen" if found else "it marks no parameter")
    if not _fits(tower, spare):
        raise NothingToTrain(f"how features lie between the blocks of {type(tower).__name__} is not known")
    return Account(trained=trained, total=sum(p.numel() for p in tower.parameters()))


def _is_frozen(strategy: Strategy) -> bool:
    return getattr(strategy, "alone", "") == "trains nothing"


def _locked(tower: nn.Module, always_freeze: Sequence[int], name: str) -> list[nn.Module]:
    if not always_freeze:
        return []
    blocks = [block for _, block in _anatomy.blocks(tower)]
    if wrong := [number for number in always_freeze if not -len(blocks) <= number < len(blocks)]:
        raise UserError(
            f"always_freeze names block {wrong[0]} of {name}, which has {len(blocks)} blocks: 0 to "
            f"{len(blocks) - 1}, or -1 (the top one) to {-len(blocks)}."
        )
    return [blocks[number] for number in always_freeze]


def _skeleton(tower: nn.Module) -> nn.Module:
    """A copy without weights, on the meta device."""
    memo: dict[int, Any] = {id(b): torch.empty_like(b, device="meta") for b in tower.buffers()}
    for parameter in tower.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False)
    return copy.deepcopy(tower, memo)


def _fits(tower: nn.Module, spare: nn.Module) -> bool:
    """False if adapters behind convolutional blocks take features in another order than the blocks give them out."""
    spatial = (part for part in tower.modules() if isinstance(getattr(part, "adapter_after", None), Adapter))
    if not any(part.adapter_after.spatial for part in spatial):  # type: ignore[union-attr]
        return True
    # A model that does not run on the meta device in any case says nothing.
    return _runs(_skeleton(tower)) or not _runs(spare)


def _runs(model: Any) -> bool:
    try:
        model.eval()(torch.empty(1, *model.pretrained_cfg["input_size"], device="meta"))
    except Exception:
        return False
    return True


def _trains(name: str, spare: nn.Module, always_freeze: Sequence[int]) -> bool:
    try:
        attempt(_spec.load(name), copy.deepcopy(spare), always_freeze, "", spare)
    except UserError:
        return False
    return True
