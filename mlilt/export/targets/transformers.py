"""transformers: a folder that `AutoModel.from_pretrained(..., trust_remote_code=True)` loads.

`VisionTextDualEncoderModel` knows neither a mean over tokens nor projections with a bias. The folder holds a model that
does, in one file of code with the same calls (`get_text_features`, `get_image_features`); transformers runs it only if
told to trust it, and it needs nothing but transformers, torch and timm.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from mlilt.export import _files, _hub
from mlilt.export.parts import Parts, plain

NEEDS: tuple[str, ...] = ()
CODE = "modeling_dual_encoder.py"
USE = """
import torch
from PIL import Image
from transformers import AutoModel, AutoTokenizer, TimmWrapperImageProcessor

model = AutoModel.from_pretrained("FOLDER", trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
processor = TimmWrapperImageProcessor.from_pretrained("FOLDER")
with torch.inference_mode():
    texts = model.get_text_features(**tokenizer(["TEXT"], padding=True, truncation=True, return_tensors="pt"))
    pictures = model.get_image_features(**processor(Image.open("PICTURE").convert("RGB"), return_tensors="pt"))
"""
HUB_USE = USE
named = _hub.moves


def write(parts: Parts, folder: Path, final: Path) -> None:
    """See `Target`."""
    language, eyes = plain(parts, "transformers")
    config: Any = language.config
    told = {
        "model_type": "vision-text-dual-encoder-affine",
        "architectures": ["DualEncoderModel"],
        "auto_map": {
            "AutoConfig": f"{CODE.removesuffix('.py')}.DualEncoderConfig",
            "AutoModel": f"{CODE.removesuffix('.py')}.DualEncoderModel",
        },
        "projection_dim": parts.about.config.dim,
        "pooling": parts.text.pooling,
        "text_config": config.to_dict(),
        "vision_config": {**_files.timm_config(parts), "model_type": "timm_wrapper"},
        # Where the image processor of timm's models looks.
        "architecture": parts.architecture,
        "pretrained_cfg": _files.preprocessing(parts),
    }
    _files.write_json(folder / "config.json", told)
    _files.write_tokenizer(parts, folder)
    tensors = {
        **_files.state(language, "text_model."),
        **_files.state(eyes, "vision_model.timm_model."),
        "text_projection.weight": parts.text_weight.clone(),
        "text_projection.bias": parts.text_bias.clone(),
        "visual_projection.weight": parts.image_weight.clone(),
        "visual_projection.bias": parts.image_bias.clone(),
        "logit_scale": torch.tensor(parts.scale).log(),
        "logit_bias": torch.tensor(parts.bias),
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / CODE).write_bytes((resources.files("mlilt.export") / "templates" / CODE).read_bytes())
