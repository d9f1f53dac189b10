"""Prepares the work, in each library's own layout."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

import mlilt
from benchmarks.peers import _work
from benchmarks.peers._work import Work
from mlilt import data
from mlilt.towers import text, vision


def make(folder: Path, lang: str = "sw", limit: int | None = None) -> Work:
    """Prepares the work.

    Args:
        folder: where to.
        lang: the language.
        limit: concepts of each source; all by default.
    """
    prepared = mlilt.prepare(lang, limit=limit, out=folder / lang, progress=False).folder
    rows = data.read_rows(prepared, "train")
    captions = {row.image_id: row.captions[0] for row in rows}
    pictures = folder / "pictures"
    pictures.mkdir()
    pairs = folder / "pairs.tsv"
    written = 0
    with pairs.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["filepath", "title"])
        for number, (image_id, content) in enumerate(data.read_pictures(prepared, "train")):
            path = pictures / f"{number:06}.png"
            path.write_bytes(content)
            writer.writerow([path, captions[image_id]])
            written += 1
    tower, eyes = text.load(progress=False), vision.load(progress=False)
    longest = max(map(len, tower.tokenize(list(captions.values()))))
    trunk = folder / "trunk.safetensors"
    save_file(eyes.model.state_dict(), trunk)
    return Work(
        prepared=str(prepared),
        pairs=str(pairs),
        towers=str(_towers(folder / "as it comes", tower, eyes, 77)),
        tuned=str(_towers(folder / "tuned", tower, eyes, longest)),
        trunk=str(trunk),
        longest=longest,
        count=written,
    )


def _towers(folder: Path, tower: text.TextTower, eyes: vision.VisionTower, context: int) -> Path:
    """Both towers as open_clip loads them, with projections that it drew."""
    tower.encoder.save_pretrained(folder)  # type: ignore[operator]
    tower.tokenizer.save_pretrained(folder)
    settings = {
        "embed_dim": _work.DIM,
        "vision_cfg": {"timm_model_name": _work.ARCHITECTURE, "timm_proj": "linear", "image_size": 224},
        "text_cfg": {
            "hf_model_name": str(folder),
            "hf_tokenizer_name": str(folder),
            "hf_proj_type": "linear",
            "hf_pooler_type": "mean_pooler",
            "context_length": context,
        },
    }
    told = {"mean": eyes.mean.flatten() / 255, "std": eyes.std.flatten() / 255}
    preprocessing = {key: value.tolist() for key, value in told.items()}
    described = {"model_cfg": settings, "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(described), encoding="utf-8")
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=True)
    model.visual.trunk.load_state_dict(eyes.model.state_dict())
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    return folder
