"""Settings with nothing left open: presets spelled out, and what `auto` and defaults come to on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from data_prep.errors import UserError
from mlilt import strategies
from mlilt.alignment import objectives
from mlilt.config import FROZEN, RunConfig
from mlilt.training.device import choose_device, choose_precision

# Captions encoded at a time: more gain no speed. A vision tower's activations take far more memory.
_CHUNK = {"cpu": 512, "cuda": 2048}
_CHUNK_OF_PICTURES = {"cpu": 32, "cuda": 256}


def resolve(config: RunConfig) -> RunConfig:
    """The settings as they will be used; a run's file holds these.

    Raises:
        UserError: an unknown strategy, preset or objective, strategies that do not go together, or a device that is
            not there.
    """
    config = _spelled_out(config)
    objectives.load(config.objective)
    device = choose_device(config.device)
    dtype = choose_precision(config.precision, device)
    # Looked up even where a rate is given: a name that is not there should be told at once.
    text, vision = strategies.load(config.strategy), strategies.load(config.vision_strategy or FROZEN)
    trains = config.vision_strategy != FROZEN
    chunk = (_CHUNK_OF_PICTURES if trains else _CHUNK)[device.type]
    return config.model_copy(
        update={
            "lr": config.lr or text.learning_rate,
            "vision_lr": (config.vision_lr or vision.learning_rate) if trains else None,
            "chunk_size": config.chunk_size or chunk,
            "always_freeze": sorted(set(config.always_freeze)),
            "vision_always_freeze": sorted(set(config.vision_always_freeze)),
            "device": device.type,
            "precision": "bf16" if dtype == torch.bfloat16 else "fp32",
        }
    )


def overruled(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a file with others in their place.

    The file of a run holds what its strategies came to: where another strategy is named, their rates and size of
    chunks go with the old one, and with a preset the vision tower's strategy too.
    """
    kept = dict(settings)
    if {"strategy", "vision_strategy"} & given.keys():
        for key in ("lr", "vision_lr", "chunk_size"):
            kept.pop(key, None)
    if strategies.presets.find(str(given.get("strategy"))):
        kept.pop("vision_strategy", None)
    return {**kept, **given}


def _spelled_out(config: RunConfig) -> RunConfig:
    """Both towers' strategies in one spelling; a preset gives both."""
    preset = strategies.presets.find(config.strategy)
    if preset is None:
        text, vision = config.strategy, config.vision_strategy or FROZEN
    elif config.vision_strategy not in (None, preset.vision):
        raise UserError(
            f"{config.strategy} is a preset: it sets the vision tower's strategy to {preset.vision}. Leave out "
            f"--vision-strategy, or name the text tower's strategy: --strategy {preset.text}."
        )
    else:
        text, vision = preset.text, preset.vision
    return config.model_copy(
        update={"strategy": strategies.canonical(text), "vision_strategy": strategies.canonical(vision)}
    )
