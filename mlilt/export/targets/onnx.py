"""ONNX: a graph for each tower with its projection, and the files that tokenize and preprocess for them.

Any function of the towers is in it, adapters included. `text.int8.onnx` is the text graph with products in 8 bits:
smaller and quicker on most processors, and close to the other.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlilt.export import _files, _hub
from mlilt.export.parts import Parts

NEEDS = ("onnx", "onnxruntime", "onnxscript")
USE = """
import json
import numpy as np, onnxruntime
from PIL import Image
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("FOLDER/tokenizer.json")
ids = np.array([tokenizer.encode("TEXT").ids])
reads = onnxruntime.InferenceSession("FOLDER/text.onnx")
texts = reads.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]

told = json.load(open("FOLDER/preprocessing.json"))
height, width = told["input_size"][1:]
resample = getattr(Image.Resampling, told["interpolation"].upper())
picture = np.asarray(Image.open("PICTURE").convert("RGB").resize((width, height), resample), np.float32) / 255
pixels = (picture - np.float32(told["mean"])) / np.float32(told["std"])
sees = onnxruntime.InferenceSession("FOLDER/image.onnx")
pictures = sees.run(None, {"pixel_values": pixels.transpose(2, 0, 1)[None]})[0]
"""
HUB_USE = _hub.downloaded(USE)
named = _hub.moves
_OPSET = 18


class _Text(nn.Module):
    """Token ids and mask -> L2-normalized embeddings."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.tower = parts.text
        self.register_buffer("weight", parts.text_weight)
        self.register_buffer("bias", parts.text_bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        pooled = self.tower.pooled(input_ids, attention_mask)
        return nn.functional.normalize(nn.functional.linear(pooled, self.weight, self.bias), dim=-1)  # type: ignore[arg-type]


class _Image(nn.Module):
    """Normalized pixels -> L2-normalized embeddings."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.model = parts.vision.model
        self.register_buffer("weight", parts.image_weight)
        self.register_buffer("bias", parts.image_bias)

    def forward(self, pixel_values: Tensor) -> Tensor:
        features = self.model(pixel_values)
        return nn.functional.normalize(nn.functional.linear(features, self.weight, self.bias), dim=-1)  # type: ignore[arg-type]


def write(parts: Parts, folder: Path, final: Path) -> None:
    """See `Target`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    ids = torch.randint(5, 100, (2, 9))
    some, tokens = torch.export.Dim("n"), torch.export.Dim("tokens", max=parts.text.max_tokens)
    _write(
        _Text(parts),
        (ids, torch.ones_like(ids)),
        folder / "text.onnx",
        ["input_ids", "attention_mask"],
        {"input_ids": {0: some, 1: tokens}, "attention_mask": {0: some, 1: tokens}},
    )
    pixels = torch.zeros(2, 3, *parts.vision.size)
    _write(_Image(parts), (pixels,), folder / "image.onnx", ["pixel_values"], {"pixel_values": {0: some}})
    logger = logging.getLogger()
    level = logger.level
    # It advises a preprocessing that this graph does not need.
    logger.setLevel(logging.ERROR)
    quantize_dynamic(folder / "text.onnx", folder / "text.int8.onnx", per_channel=True, weight_type=QuantType.QInt8)
    logger.setLevel(level)
    _files.write_tokenizer(parts, folder)
    _files.write_json(folder / "preprocessing.json", _files.preprocessing(parts))


def _write(
    module: nn.Module, example: tuple[Tensor, ...], path: Path, names: list[str], shapes: dict[str, Any]
) -> None:
    said = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(said):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            example,
            path,
            input_names=names,
            output_names=["embeddings"],
            dynamic_shapes=shapes,
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
