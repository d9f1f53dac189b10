"""Encoding pictures with EfficientNet-Lite0, decoding included, against timm's plain fp32 loop, interleaved."""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from statistics import median

import timm
import torch
from PIL import Image

import mlilt
from benchmarks._table import show, spread
from mlilt import data
from mlilt.towers import vision
from mlilt.training import features
from mlilt.training.device import choose_device, choose_precision

ROUNDS = 5
PICTURES = 512


def run() -> None:
    """Prints images a second of both."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = mlilt.prepare("sw", out=Path(folder) / "sw", progress=False)
        pictures = [p for _, p in data.read_pictures(prepared.folder, "train")][:PICTURES]
    tower = vision.load(progress=False)
    device = choose_device("auto")
    dtype = choose_precision("auto", device)
    ours, plain = [], []
    for place in range(ROUNDS + 1):
        started = time.perf_counter()
        for _ in features.encode(tower, pictures, device, dtype):
            pass
        between = time.perf_counter()
        _plain(tower.model, pictures, device)
        ended = time.perf_counter()
        if place:
            ours.append(PICTURES / (between - started))
            plain.append(PICTURES / (ended - between))
    show(
        ("", "images/s, median (range)", "ratio", "target"),
        [
            (
                f"mlilt ({str(dtype).removeprefix('torch.')})",
                spread(ours),
                f"{median(ours) / median(plain):.1f}",
                "120",
            ),
            ("timm, plain fp32 loop, batches of 32", spread(plain), "1", ""),
        ],
    )


def _plain(model: torch.nn.Module, pictures: list[bytes], device: torch.device) -> None:
    """What timm's documentation shows: its own transform, batches, fp32."""
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
    model = model.to(device)
    with torch.inference_mode():
        for start in range(0, len(pictures), 32):
            images = [Image.open(io.BytesIO(p)).convert("RGB") for p in pictures[start : start + 32]]
            model(torch.stack([transform(i) for i in images]).to(device))
