"""What a run keeps of its model: the trained parameters, in safetensors, loaded strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from data_prep import carriers
from data_prep.errors import UserError

# One entry holds all: with several, safetensors writes them in an order of its own, another one each time.
_HEADER = "mlilt"


def learned(module: nn.Module) -> dict[str, Tensor]:
    """What a run must keep: trained parameters, and buffers that a module says were set from the training data."""
    kept = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    for name, part in module.named_modules():
        for buffer in getattr(part, "learned_buffers", ()):
            kept[f"{name}.{buffer}".removeprefix(".")] = part.get_buffer(buffer)
    return kept


def load_learned(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Puts `tensors` in their places.

    Raises:
        UserError: a name too many, one missing, or another shape or dtype; all are named.
    """
    places = learned(module)
    wrong = [f"{name} is too many" for name in sorted(set(tensors) - set(places))]
    wrong += [f"{name} is missing" for name in sorted(set(places) - set(tensors))]
    wrong += [
        f"{name} is {tuple(t.shape)} {t.dtype}, not {tuple(places[name].shape)} {places[name].dtype}"
        for name, t in tensors.items()
        if name in places and (t.shape != places[name].shape or t.dtype != places[name].dtype)
    ]
    if wrong:
        more = " ..." if len(wrong) > 5 else ""
        raise UserError(f"The weights do not fit the model: {'; '.join(wrong[:5])}{more}")
    with torch.no_grad():
        for name, tensor in tensors.items():
            places[name].copy_(tensor)


def save_weights(module: nn.Module, path: Path, about: Mapping[str, str]) -> int:
    """Writes the learned tensors as safetensors, with `about` in the header; returns the file's size in bytes.

    Raises:
        OSError: the file cannot be written.
    """
    partial = path.with_suffix(".part")
    kept = {k: t.detach().cpu().contiguous().clone() for k, t in learned(module).items()}
    try:
        save_file(kept, partial, {_HEADER: json.dumps(about)})
    except SafetensorError as error:  # how safetensors reports a full disk
        raise OSError(f"{partial}: {error}") from error
    partial.replace(path)
    return path.stat().st_size


def file_digest(path: Path) -> str:
    """SHA-256 of a file of learned weights, hex.

    Raises:
        UserError: it is missing.
    """
    try:
        return carriers.file_digest(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}. Train the run again with --force.") from error


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file of learned weights, and its header.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read: {error}. Train the run again.") from error
