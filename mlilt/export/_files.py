"""Files that several exports have in common."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import Module

from mlilt.export.parts import Parts


def as_json(told: Mapping[str, Any]) -> bytes:
    """JSON for people."""
    return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()


def write_json(path: Path, told: Mapping[str, Any]) -> None:
    """Writes JSON for people."""
    path.write_bytes(as_json(told))


def write_tokenizer(parts: Parts, folder: Path) -> None:
    """The text tower's tokenizer, which cuts captions where the tower did."""
    tokenizer = copy.deepcopy(parts.text.tokenizer)
    tokenizer.model_max_length = parts.text.max_tokens
    # For whoever reads tokenizer.json alone; transformers sets it anew in each call.
    if (backend := getattr(tokenizer, "backend_tokenizer", None)) is not None:
        backend.enable_truncation(parts.text.max_tokens)
    tokenizer.save_pretrained(folder)


def preprocessing(parts: Parts) -> dict[str, Any]:
    """What timm resolves the vision tower's transform from: the whole picture, resized to the model's square."""
    told = json.loads(parts.vision.preprocessing)
    return {
        "input_size": told["size"],
        "interpolation": told["interpolation"],
        "mean": told["mean"],
        "std": told["std"],
        "crop_pct": 1.0,
        "crop_mode": "squash",
    }


def timm_config(parts: Parts) -> dict[str, Any]:
    """The `config.json` of a folder that timm (`local-dir:`) and transformers (TimmWrapper) load."""
    return {
        "architecture": parts.architecture,
        "num_features": parts.vision.width,
        "num_classes": 0,
        "pretrained_cfg": {**preprocessing(parts), "num_classes": 0},
    }


def state(module: Module, prefix: str = "") -> dict[str, Tensor]:
    """A module's tensors, each with memory of its own."""
    return {f"{prefix}{name}": tensor.detach().clone().contiguous() for name, tensor in module.state_dict().items()}
