"""Plain towers: a folder for transformers, one for timm, and the projections as two affine maps in safetensors."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from mlilt.export import _files, _hub
from mlilt.export.parts import Parts, plain

NEEDS: tuple[str, ...] = ()
USE = """
import timm, torch, transformers
from PIL import Image
from safetensors.torch import load_file

projections = load_file("FOLDER/projections.safetensors")

tokenizer = transformers.AutoTokenizer.from_pretrained("FOLDER/text")
language = transformers.AutoModel.from_pretrained("FOLDER/text").eval()
given = tokenizer(["TEXT"], padding=True, truncation=True, return_tensors="pt")
eyes = timm.create_model("local-dir:FOLDER/vision", pretrained=True, num_classes=0).eval()
transform = timm.data.create_transform(**timm.data.resolve_data_config(eyes.pretrained_cfg))
with torch.inference_mode():
    hidden = language(**given).last_hidden_state
    mask = given["attention_mask"].unsqueeze(-1)
    # The mean over tokens; hidden[:, 0] where projections.json says "cls".
    pooled = (hidden * mask).sum(1) / mask.sum(1)
    texts = pooled @ projections["text.weight"].T + projections["text.bias"]
    texts = torch.nn.functional.normalize(texts, dim=-1)

    pixels = transform(Image.open("PICTURE").convert("RGB")).unsqueeze(0)
    pictures = eyes(pixels) @ projections["image.weight"].T + projections["image.bias"]
    pictures = torch.nn.functional.normalize(pictures, dim=-1)
"""
HUB_USE = _hub.downloaded(USE)
named = _hub.moves


def write(parts: Parts, folder: Path, final: Path) -> None:
    """See `Target`."""
    language, eyes = plain(parts, "a plain tower")
    text, vision = folder / "text", folder / "vision"
    language.save_pretrained(text)  # type: ignore[operator]
    _files.write_tokenizer(parts, text)
    vision.mkdir()
    save_file(_files.state(eyes), vision / "model.safetensors")
    _files.write_json(vision / "config.json", _files.timm_config(parts))
    tensors = {
        "text.weight": parts.text_weight,
        "text.bias": parts.text_bias,
        "image.weight": parts.image_weight,
        "image.bias": parts.image_bias,
    }
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, folder / "projections.safetensors")
    _files.write_json(
        folder / "projections.json",
        {"pooling": parts.text.pooling, "logit_scale": parts.scale, "logit_bias": parts.bias},
    )
