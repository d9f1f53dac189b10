"""Wraps layers through peft, without what peft does to the rest of a tower."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import nn


def exactly(names: Iterable[str]) -> str:
    """How a peft configuration is told these modules and no others: a plain name would stand for every ending too."""
    return "|".join(map(re.escape, names))


def inject(config: Any, tower: nn.Module, replaced: Collection[nn.Parameter] = ()) -> None:
    """Wraps the layers that a peft configuration names, in place.

    Args:
        config: of a method that `inject_adapter_in_model` takes.
        tower: what trains in it keeps training.
        replaced: parameters that the method's own ones stand in for, and which therefore no longer train.
    """
    from peft import inject_adapter_in_model

    # Held, so that no new parameter can have the id of an old one.
    own = list(tower.parameters())
    replaced_ids = {id(p) for p in replaced}
    frozen = {id(p) for p in own if not p.requires_grad or id(p) in replaced_ids}
    where = next(tower.parameters()).device
    # peft makes its weights on the CPU and moves them, which does not work where there is nothing to move.
    building = torch.device("meta") if where.type == "meta" else contextlib.nullcontext()
    with warnings.catch_warnings(), building:
        warnings.simplefilter("ignore")
        inject_adapter_in_model(config, tower)
    # With this attribute peft would take a second method for a second adapter of the first.
    del tower.peft_config
    # What peft marks by itself depends on the methods applied before.
    for parameter in tower.parameters():
        parameter.requires_grad_(id(parameter) not in frozen)
