"""Towers as they are built, without weights: on the meta device, to count on and to try strategies on.

Names and shapes of all parameters are those of a loaded tower. Aliases need neither network nor cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from data_prep.errors import UserError
from mlilt.towers import catalog
from mlilt.towers import text as text_towers
from mlilt.towers import vision as vision_towers


def text(name: str = text_towers.DEFAULT, offline: bool = False) -> nn.Module:
    """What `mlilt.towers.text.load(name).encoder` is, without weights.

    Args:
        name: as `mlilt.towers.text.load` takes it.
        offline: take the settings of a model on the hub from its local cache only.

    Raises:
        UserError: unknown name, or settings that cannot be had or read; says what to do.
    """
    import transformers

    transformers.utils.logging.set_verbosity_error()
    alias = catalog.find("text", name)
    try:
        if alias and alias.architecture:
            config = transformers.AutoConfig.for_model(**alias.architecture)
        else:
            folder = text_towers.folder(name, alias, offline, needed="config")
            config = _settings(folder, name)
        with torch.device("meta"):
            encoder: Any = transformers.AutoModel.from_config(config, dtype=torch.float32)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"The text tower {name} cannot be built as a transformers model: {error}") from error
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return cast(nn.Module, encoder.eval().requires_grad_(False))


def _settings(folder: Path, name: str) -> Any:
    import transformers

    try:
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a missing or damaged file surfaces as many kinds
        raise UserError(f"The settings of {name} ({folder / 'config.json'}) cannot be read: {error}") from error


def vision(name: str = vision_towers.DEFAULT, offline: bool = False) -> nn.Module:
    """What `mlilt.towers.vision.load(name).model` is, without weights.

    Args:
        name: as `mlilt.towers.vision.load` takes it.
        offline: changes nothing, for timm itself knows its architectures.

    Raises:
        UserError: unknown name, or an architecture that timm cannot build; says what to do.
    """
    import timm

    architecture = vision_towers.architecture(name)
    try:
        with torch.device("meta"):
            model: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=0)
    except Exception as error:
        raise UserError(f"The vision tower {name} cannot be built: {str(error)[:300]}") from error
    return model.eval().requires_grad_(False)


def width(tower: Any) -> int:
    """Size of the vector that a tower of this kind gives out, as the towers themselves have it."""
    if config := getattr(tower, "config", None):
        return int(config.hidden_size)
    return int(getattr(tower, "head_hidden_size", None) or tower.num_features)
