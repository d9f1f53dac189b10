"""Where base weights come from when they are not at hand, and how they are known again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from data_prep.errors import UserError

HUB_TIMEOUT_S = 10
Needed = Literal["model", "tokenizer", "config"]


def digest(module: nn.Module) -> str:
    """SHA-256 over names, shapes, dtypes and bytes of a module's parameters and buffers, hex.

    Order of definition counts, the device does not. Equal digests mean equal outputs.
    """
    total = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\0".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        total.update(flat.view(torch.uint8).numpy() if flat.numel() else b"")
    return total.hexdigest()


def hub_folder(model: str, what: str, offered: str, offline: bool = False, needed: Needed = "model") -> Path:
    """A folder with the files of a model on the hub: from its local cache, else downloaded.

    Only safetensors and text files are asked for: nothing that could carry code.

    Args:
        model: id on the hub, such as "FacebookAI/xlm-roberta-base".
        what: how the user named it, for the error.
        offered: what could be used without a hub, for the error.
        offline: look in the local cache only.
        needed: the whole model, its tokenizer alone, or its settings alone.

    Raises:
        UserError: there is no such model, or the hub cannot be reached; says what to do.
    """
    import huggingface_hub as hub
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    tokenizer = ["*.json", "*.txt", "*.model"]
    patterns = {"model": [*tokenizer, "*.safetensors"], "tokenizer": tokenizer, "config": ["config.json"]}[needed]
    try:
        cached = Path(hub.snapshot_download(model, allow_patterns=patterns, local_files_only=True))
        # Another program may have asked for a part of a model's files, and a download may have been killed.
        there = {"model": _is_whole, "tokenizer": _has_tokenizer, "config": _has_config}[needed]
        if offline or there(cached):
            return cached
    except HFValidationError as error:
        raise UserError(f"{what} is no model: {error}") from error
    except OSError:
        pass
    try:
        if offline:
            raise hub.errors.OfflineModeIsEnabled("offline")
        hub.HfApi().model_info(model, timeout=HUB_TIMEOUT_S)
        return Path(hub.snapshot_download(model, allow_patterns=patterns, etag_timeout=HUB_TIMEOUT_S))
    except GatedRepoError as error:
        raise UserError(f"The weights of {model} are gated: accept their terms there, then `hf auth login`.") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"The hub has no model {model!r} (or it is private: `hf auth login`). {offered}") from error
    except Exception as error:  # the hub's client lets through what its HTTP library raises
        raise UserError(
            f"The weights of {what} ({model}) are not in the cache and the model hub cannot be reached "
            f"({type(error).__name__}). {offered} Or run `hf download {model} --local-dir DIR` where there is a "
            "network, bring DIR here and name it instead."
        ) from error


def _is_whole(folder: Path) -> bool:
    """True if a model's settings and all its weights are there."""
    weights = {path.name for path in folder.glob("*.safetensors")}
    for index in folder.glob("*.safetensors.index.json"):
        weights |= (shards := set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if not all((folder / shard).is_file() for shard in shards):
            return False
    return bool(weights) and _has_config(folder)


def _has_tokenizer(folder: Path) -> bool:
    return any(folder.glob("tokenizer*"))


def _has_config(folder: Path) -> bool:
    return (folder / "config.json").is_file()
