"""A run as CLIP_benchmark loads its models, under the model type "mlilt".

`python -m mlilt.wrappers.clip_benchmark eval --model_type mlilt --model runs/sw-layernorm-s0 --pretrained mlilt ...` is
CLIP_benchmark's own command with runs added; in Python call `register` and go on with its own calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor, nn

from data_prep.errors import UserError
from mlilt import model
from mlilt.model import Model
from mlilt.towers.text import TextTower

MODEL_TYPE = "mlilt"


class RunModel(nn.Module):
    """A run with CLIP's two calls."""

    def __init__(self, run: Model) -> None:
        super().__init__()
        self.dual = run.dual
        self.vision = run.vision

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Normalized pixels, float of shape (n, 3, height, width) -> float32 of shape (n, dim), L2-normalized."""
        return self.dual.encode_image(self.vision.model(pixels).float())

    def encode_text(self, ids: Tensor) -> Tensor:
        """Token ids, int64 of shape (n, tokens), padded -> float32 of shape (n, dim), L2-normalized."""
        tower = cast(TextTower, self.dual.text)
        pooled = tower.pooled(ids, (ids != tower.pad_id).long())
        return cast(Tensor, self.dual.text_projection(pooled))


def load(
    model_name: Path | str, pretrained: str = "", cache_dir: str | None = None, device: Any = "cpu"
) -> tuple[RunModel, Callable[[Image.Image], Tensor], Callable[[Sequence[str]], Tensor]]:
    """Loads a run as CLIP_benchmark's loaders do.

    Args:
        model_name: the run's folder.
        pretrained: not used.
        cache_dir: not used.
        device: a torch device.

    Returns:
        The model; what makes normalized pixels, float of shape (3, height, width), of a picture; and what makes token
        ids, int64 of shape (n, tokens), of texts.

    Raises:
        UserError: no finished run there, or its weights or base weights are not those of its record.
    """
    where = torch.device(device)
    run = model.load(model_name, "cpu")
    tower = cast(TextTower, run.dual.text)
    # Texts come padded, which attention in one row does not take.
    tower.settle(where, packed=False)
    vision = run.vision
    mean, deviation = vision.mean[0].clone(), vision.std[0].clone()

    def transform(picture: Image.Image) -> Tensor:
        return (vision.preprocess(picture) - mean) / deviation

    def tokenizer(texts: Sequence[str]) -> Tensor:
        return tower.pad(tower.tokenize(list(texts)))[0]

    return RunModel(run).eval().to(where), transform, tokenizer


def register() -> None:
    """Makes CLIP_benchmark know the model type.

    Raises:
        UserError: it is not installed.
    """
    try:
        from clip_benchmark import models
    except ModuleNotFoundError as error:
        raise UserError(f"There is no package {error.name}: pip install clip_benchmark") from error

    models.TYPE2FUNC[MODEL_TYPE] = load
    if MODEL_TYPE not in models.MODEL_TYPES:
        models.MODEL_TYPES.append(MODEL_TYPE)


def main() -> None:
    """CLIP_benchmark's command."""
    try:
        register()
        from clip_benchmark.cli import main as command

        command()
    except UserError as error:
        print(f"mlilt: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
