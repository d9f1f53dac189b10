"""sentence-transformers: a folder that `SentenceTransformer(...)` loads; it has a route for texts, one for pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from mlilt.export import _files, _hub
from mlilt.export.parts import Parts, plain

NEEDS = ("sentence_transformers",)
USE = """
from PIL import Image
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("FOLDER")
texts = model.encode(["TEXT"])
pictures = model.encode([Image.open("PICTURE").convert("RGB")])
"""
HUB_USE = USE
named = _hub.moves


def write(parts: Parts, folder: Path, final: Path) -> None:
    """See `Target`."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Router, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    language, eyes = plain(parts, "sentence-transformers")
    with tempfile.TemporaryDirectory() as place:
        text, vision = Path(place) / "text", Path(place) / "vision"
        language.save_pretrained(text)  # type: ignore[operator]
        _files.write_tokenizer(parts, text)
        vision.mkdir()
        save_file(_files.state(eyes, "timm_model."), vision / "model.safetensors", {"format": "pt"})
        told = {**_files.timm_config(parts), "model_type": "timm_wrapper", "architectures": ["TimmWrapperModel"]}
        _files.write_json(vision / "config.json", told)
        reads = Transformer(str(text), max_seq_length=parts.text.max_tokens)
        sees = Transformer(
            str(vision),
            modality_config={"image": {"method": "forward", "method_output_name": "pooler_output"}},
            module_output_name="sentence_embedding",
        )
        routes: dict[str, list[Any]] = {
            "text": [
                reads,
                Pooling(parts.text.width, pooling_mode=parts.text.pooling),
                _dense(Dense, parts.text_weight, parts.text_bias),
            ],
            "image": [sees, _dense(Dense, parts.image_weight, parts.image_bias)],
        }
        made = SentenceTransformer(modules=[Router(routes, default_route="text"), Normalize()])
        made.save(str(folder), create_model_card=False)


def _dense(dense: Any, weight: torch.Tensor, bias: torch.Tensor) -> Any:
    dim, width = weight.shape
    return dense(width, dim, bias=True, activation_function=None, init_weight=weight.clone(), init_bias=bias.clone())
