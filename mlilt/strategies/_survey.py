"""What every strategy and preset would train in two towers, counted on their architectures alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from torch import nn

from data_prep.errors import UserError
from mlilt.strategies import _presets, _spec
from mlilt.strategies._apply import attempt
from mlilt.towers import blueprint
from mlilt.towers import text as text_towers
from mlilt.towers import vision as vision_towers

# The learned temperature is one number.
_TEMPERATURE = 1


@dataclass(frozen=True, slots=True)
class Count:
    """What trains in one tower.

    Attributes:
        trained: number of trained parameters.
        total: number of all parameters of the tower, added ones included.
        share: the one as a share of the other.
        remark: why nothing can be trained, else empty; nothing is trained on purpose by `frozen`.
    """

    trained: int
    total: int
    share: float
    remark: str = ""


@dataclass(frozen=True, slots=True)
class SurveyedStrategy:
    """One strategy, and what it would train."""

    name: str
    summary: str
    learning_rate: float
    options: tuple[_spec.Option, ...]
    text: Count
    vision: Count


@dataclass(frozen=True, slots=True)
class SurveyedPreset:
    """One preset, and what it would train.

    Attributes:
        projections: parameters of the two projections.
        temperature: that of the temperature.
        trained: all that trains: of both towers, the projections and the temperature.
        total: all parameters of these.
        share: the one as a share of the other.
    """

    name: str
    title: str
    paper: str
    text_strategy: str
    vision_strategy: str
    text: Count
    vision: Count
    projections: int
    temperature: int
    trained: int
    total: int
    share: float


@dataclass(frozen=True, slots=True)
class Survey:
    """All of it for two towers and a size of the shared space."""

    text: str
    vision: str
    dim: int
    strategies: tuple[SurveyedStrategy, ...]
    presets: tuple[SurveyedPreset, ...]


def survey(text: str | None = None, vision: str | None = None, dim: int = 256, offline: bool = False) -> Survey:
    """Counts what each strategy and each preset trains; loads no weights.

    Args:
        text: the text tower, as `mlilt.towers.text.load` takes it; None for the default.
        vision: the vision tower, as `mlilt.towers.vision.load` takes it; None for the default.
        dim: size of the shared space.
        offline: use only what is on this machine.

    Raises:
        UserError: unknown towers, or ones whose settings cannot be had.
    """
    text = text or text_towers.DEFAULT
    vision = vision or vision_towers.DEFAULT
    towers = blueprint.text(text, offline), blueprint.vision(vision, offline)
    counts = {name: _counts(name, towers) for name in _spec.names()}
    strategies = tuple(
        SurveyedStrategy(
            name, _spec.summary(name), _spec.load(name).learning_rate, tuple(_spec.options(name)), *counts[name]
        )
        for name in _spec.names()
    )
    projections = dim * (blueprint.width(towers[0]) + blueprint.width(towers[1]))
    presets = tuple(_preset(name, towers, projections) for name in _presets.names())
    return Survey(text, vision, dim, strategies, presets)


def _preset(name: str, towers: tuple[nn.Module, nn.Module], projections: int) -> SurveyedPreset:
    preset = _presets.find(name)
    assert preset is not None
    text, vision = _count(preset.text, towers[0]), _count(preset.vision, towers[1])
    trained = text.trained + vision.trained + projections + _TEMPERATURE
    total = text.total + vision.total + projections + _TEMPERATURE
    return SurveyedPreset(
        name=name,
        title=preset.title,
        paper=preset.paper,
        text_strategy=preset.text,
        vision_strategy=preset.vision,
        text=text,
        vision=vision,
        projections=projections,
        temperature=_TEMPERATURE,
        trained=trained,
        total=total,
        share=trained / total,
    )


def _counts(spec: str, towers: tuple[nn.Module, nn.Module]) -> tuple[Count, Count]:
    return _count(spec, towers[0]), _count(spec, towers[1])


def _count(spec: str, tower: Any) -> Count:
    try:
        # Without values there is nothing in a tensor that a copy could spoil.
        shared = {id(tensor): tensor for tensor in (*tower.parameters(), *tower.buffers())}
        account = attempt(_spec.load(spec), copy.deepcopy(tower, shared), (), "the tower", tower)
    except UserError as error:
        return Count(0, sum(p.numel() for p in tower.parameters()), 0.0, str(error))
    return Count(account.count, account.total, account.share)
