"""open_clip: a folder that `open_clip.create_model_and_transforms("local-dir:...")` loads.

open_clip's text projection has no bias. The last LayerNorm of a BERT ends in one, and a mean over tokens passes it on:
the projection's bias is moved there, solved for exactly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from data_prep.errors import UserError
from mlilt.alignment import objectives
from mlilt.export import _files
from mlilt.export.parts import Parts, plain

NEEDS = ("open_clip",)
USE = """
import open_clip, torch
from PIL import Image

model, _, preprocess = open_clip.create_model_and_transforms("local-dir:FOLDER")
tokenizer = open_clip.get_tokenizer("local-dir:FOLDER")
model.eval()
with torch.inference_mode():
    texts = model.encode_text(tokenizer(["TEXT"]), normalize=True)
    pictures = model.encode_image(preprocess(Image.open("PICTURE").convert("RGB")).unsqueeze(0), normalize=True)
"""
HUB_USE = USE.replace("local-dir:", "hf-hub:")
_CONFIG = "open_clip_config.json"


def write(parts: Parts, folder: Path, final: Path) -> None:
    """See `Target`."""
    import open_clip

    language, eyes = plain(parts, "open_clip")
    config: Any = language.config
    if config.model_type not in {"bert", "roberta", "xlm-roberta"}:
        raise UserError(f"open_clip has no place for a text tower of the kind {config.model_type}. Use --to onnx.")
    _move_bias(language, parts)
    language.save_pretrained(folder)  # type: ignore[operator]
    (folder / "model.safetensors").unlink()
    _files.write_tokenizer(parts, folder)
    told = _files.preprocessing(parts)
    settings: dict[str, Any] = {
        "embed_dim": parts.about.config.dim,
        "vision_cfg": {
            "timm_model_name": parts.architecture,
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "timm_proj_bias": True,
            "image_size": told["input_size"][1],
        },
        "text_cfg": {
            # open_clip reads the settings of the text tower from here, and takes no relative place.
            "hf_model_name": str(folder),
            "hf_tokenizer_name": str(folder),
            "hf_proj_type": "linear",
            "hf_pooler_type": "mean_pooler" if parts.text.pooling == "mean" else "cls_last_hidden_state_pooler",
            "context_length": parts.text.max_tokens,
        },
    }
    preprocessing = {
        "mean": told["mean"],
        "std": told["std"],
        "interpolation": told["interpolation"],
        "resize_mode": "squash",
    }
    if objectives.load(parts.about.config.objective).bias is not None:
        settings["init_logit_bias"] = parts.bias
    described: dict[str, Any] = {"model_cfg": settings, "preprocess_cfg": preprocessing}
    _files.write_json(folder / _CONFIG, described)
    made: Any = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    made.text.transformer.load_state_dict(_without_positions(language, made.text.transformer))
    made.visual.trunk.load_state_dict(eyes.state_dict())
    with torch.no_grad():
        made.text.proj.weight.copy_(parts.text_weight)
        made.visual.head.proj.weight.copy_(parts.image_weight)
        made.visual.head.proj.bias.copy_(parts.image_bias)
        made.logit_scale.fill_(torch.tensor(parts.scale).log())
        if made.logit_bias is not None:
            made.logit_bias.fill_(parts.bias)
    save_file(_files.state(made), folder / "open_clip_model.safetensors")
    (folder / _CONFIG).write_bytes(named(folder, str(final.resolve()))[_CONFIG])


def named(folder: Path, place: str) -> dict[str, bytes]:
    """See `Target`."""
    described = json.loads((folder / _CONFIG).read_bytes())
    described["model_cfg"]["text_cfg"] |= dict.fromkeys(("hf_model_name", "hf_tokenizer_name"), place)
    return {_CONFIG: _files.as_json(described)}


@torch.no_grad()
def _move_bias(language: nn.Module, parts: Parts) -> None:
    """Moves the projection's bias into the last LayerNorm's."""
    last: Any = [module for module in language.encoder.layer[-1].modules() if isinstance(module, nn.LayerNorm)][-1]  # type: ignore[union-attr,index]
    shift = torch.linalg.lstsq(parts.text_weight.double(), parts.text_bias.double().unsqueeze(1)).solution[:, 0]
    if not torch.allclose(parts.text_weight.double() @ shift, parts.text_bias.double(), atol=1e-4):
        raise UserError(
            f"open_clip's text projection has no bias, and that of {parts.about.name} cannot be moved into the text "
            "tower: its space is larger than the tower's width. Use --to onnx."
        )
    last.bias.add_(shift.float())


def _without_positions(language: nn.Module, made: nn.Module) -> dict[str, torch.Tensor]:
    there = made.state_dict().keys()
    return {name: tensor for name, tensor in language.state_dict().items() if name in there}
