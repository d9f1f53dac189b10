"""A run taken apart into what other libraries know: plain towers, with all merged, and affine projections."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from data_prep.errors import UserError
from mlilt import model
from mlilt.record import RunRecord
from mlilt.strategies import Adapter
from mlilt.towers.embedding_rows import EmbeddingRows
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower


@dataclass(frozen=True, slots=True)
class Parts:
    """What an export is made of; all in float32, in eval mode, on the CPU.

    Attributes:
        about: the run's record.
        text: the text tower, everything merged that can be.
        vision: the vision tower, likewise.
        text_weight, text_bias: of the text projection, shapes (dim, width) and (dim,): an embedding is the normalized
            sum of product and bias.
        image_weight, image_bias: of the image projection.
        scale: logits are cosine similarities times this, plus `bias`.
        bias: 0 for an objective without one.
    """

    about: RunRecord
    text: TextTower
    vision: VisionTower
    text_weight: Tensor
    text_bias: Tensor
    image_weight: Tensor
    image_bias: Tensor
    scale: float
    bias: float

    @property
    def encoder(self) -> Any:
        """The text tower's `transformers` model."""
        return self.text.encoder

    @property
    def architecture(self) -> str:
        """timm's name of the vision tower's model."""
        return str(cast(Any, self.vision.model).pretrained_cfg["architecture"])

    @torch.inference_mode()
    def embed_text(self, captions: Sequence[str]) -> Tensor:
        """What an export must give for captions, float32 of shape (n, dim), L2-normalized."""
        pooled = self.text(self.text.tokenize(captions))
        return nn.functional.normalize(pooled @ self.text_weight.T + self.text_bias, dim=-1)

    @torch.inference_mode()
    def embed_image(self, pixels: Tensor) -> Tensor:
        """What an export must give for pixels as the vision tower takes them, likewise."""
        return nn.functional.normalize(self.vision(pixels) @ self.image_weight.T + self.image_bias, dim=-1)


def take(run: Path, offline: bool = False, progress: bool = False) -> Parts:
    """A finished run's parts; raises UserError as `mlilt.model.restore`."""
    about, dual, eyes = model.restore(run, torch.device("cpu"), torch.float32, offline, progress)
    tower = cast(TextTower, dual.text)
    tower.settle(torch.device("cpu"), packed=False)
    merge(tower.encoder)
    merge(eyes.model)
    text_weight, text_bias = dual.text_projection.affine()
    image_weight, image_bias = dual.image_projection.affine()
    scale = float(dual.log_scale.exp())
    bias = 0.0 if dual.bias is None else float(dual.bias)
    return Parts(about, tower, eyes, text_weight, text_bias, image_weight, image_bias, scale, bias)


@torch.no_grad()
def merge(tower: nn.Module) -> None:
    """Puts into a tower's own weights, in place, what was trained beside them, wherever that is the same function.

    Products and scales of peft's methods, and trained rows of an embedding; adapters are no linear function and stay.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(tower.named_modules()):
        if isinstance(module, BaseTunerLayer):
            cast(Any, module).merge(safe_merge=True)
            _put(tower, name, cast(nn.Module, module.get_base_layer()))
        elif isinstance(module, EmbeddingRows):
            whole = module.weight.clone()
            whole[module.ids] = module.rows
            _put(tower, name, nn.Embedding.from_pretrained(whole))  # type: ignore[no-untyped-call]


def plain(parts: Parts, target: str) -> tuple[nn.Module, nn.Module]:
    """Both towers' models, as their own libraries build them: text, vision.

    Args:
        parts: of a run.
        target: which export asks, for the error.

    Raises:
        UserError: something was added that these libraries' models have no place for.
    """
    import timm
    import transformers

    for tower, kind in ((parts.encoder, "text"), (parts.vision.model, "vision")):
        if any(isinstance(module, Adapter) for module in tower.modules()):
            raise UserError(
                f"The {kind} tower of {parts.about.name} has adapters, for which {target} has no place: they are no "
                "linear function, so that they cannot be merged. Use --to onnx, which takes any function."
            )
    config = copy.deepcopy(parts.encoder.config)
    # What this library registers others do not know.
    config._attn_implementation = "eager"
    language: Any = transformers.AutoModel.from_config(config, dtype=torch.float32)
    if getattr(language, "pooler", None) is not None and getattr(parts.encoder, "pooler", None) is None:
        language.pooler = None
    eyes = timm.create_model(parts.architecture, pretrained=False, num_classes=0)
    for made, mine, kind in ((language, parts.encoder, "text"), (eyes, parts.vision.model, "vision")):
        try:
            made.load_state_dict(mine.state_dict())
        except RuntimeError as error:
            raise UserError(
                f"The {kind} tower of {parts.about.name} is not one that {target} builds by itself "
                f"({str(error).splitlines()[-1].strip()[:200]}). Use --to onnx, which takes any function."
            ) from error
    return language.eval(), eyes.eval()


def _put(tower: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(tower.get_submodule(parent), leaf, module)
