"""Vision towers: any `timm` model, pooled to one feature vector a picture."""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from data_prep.errors import UnknownNameError, UserError
from data_prep.pictures import PictureError, decode, plain
from mlilt.towers import carried, catalog
from mlilt.towers.weights import digest, hub_folder

DEFAULT = "efficientnet-lite0"


class VisionTower(nn.Module):
    """A pretrained vision model with its preprocessing.

    The whole picture is resized to the model's square; nothing is cropped away, since a caption may speak of
    what stands at the edge.

    Attributes:
        model: the `timm` model without a classifier.
        name: how the user named it.
        width: size of the feature vector.
        size: height and width of its pixels.
        preprocessing: all that decides a picture's pixels, as one line of JSON.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        import timm

        self.model = model
        self.name = name
        config = timm.data.resolve_data_config({}, model=model)
        # Some models widen their features in a head of its own behind the pooling.
        self.width = int(getattr(model, "head_hidden_size", None) or cast(Any, model).num_features)
        self.size: tuple[int, int] = tuple(config["input_size"][1:])
        self.preprocessing = json.dumps(
            {
                "size": list(config["input_size"]),
                "interpolation": config["interpolation"],
                "mean": list(config["mean"]),
                "std": list(config["std"]),
                "crop": "none",
            }
        )
        # "prefetcher" leaves uint8 pixels: normalizing a whole batch is quicker than picture by picture.
        self._transform = timm.data.create_transform(
            config["input_size"],
            interpolation=config["interpolation"],
            crop_pct=1.0,
            crop_mode="squash",
            use_prefetcher=True,
        )
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1) * 255, persistent=False)

    def preprocess(self, picture: Image.Image | Path | bytes) -> Tensor:
        """A picture -> uint8 pixels of shape (3, height, width).

        Raises:
            PictureError: it cannot be decoded.
        """
        if isinstance(picture, Image.Image):
            try:
                image = plain(picture)
            except Exception as error:  # Pillow decodes on first use, and its decoders raise many kinds
                raise PictureError("the picture is damaged or cut short") from error
        else:
            image = decode(picture)
        return torch.from_numpy(np.asarray(self._transform(image)))

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 pixels of shape (n, 3, height, width) -> float32 features of shape (n, width)."""
        dtype = next(self.model.parameters()).dtype
        normalized = ((pixels.float() - self.mean) / self.std).to(dtype)
        if pixels.device.type == "cpu":
            normalized = normalized.to(memory_format=torch.channels_last)
        features: Tensor = self.model(normalized)
        return features.float()

    def digest(self) -> str:
        """SHA-256 that tells whether these are the same weights, hex."""
        return digest(self.model)

    def pixels(self, pictures: Sequence[Image.Image | Path | bytes]) -> Tensor:
        """Pictures, at least one -> uint8 pixels of shape (n, 3, height, width); raises as `preprocess`."""
        return torch.stack([self.preprocess(picture) for picture in pictures])

    def encode(self, pictures: Sequence[Image.Image | Path | bytes]) -> Tensor:
        """Features of a few pictures, float32 of shape (n, width); for many, see `mlilt.training.features`."""
        with torch.inference_mode():
            return cast(Tensor, self(self.pixels(pictures).to(self.mean.device)))


def load(name: str = DEFAULT, offline: bool = False, progress: bool = True) -> VisionTower:
    """Loads a vision tower in float32, in eval mode.

    Args:
        name: an alias (mlilt/towers/catalog/vision), a timm model's name, a folder in timm's hub layout, or
            ARCHITECTURE=FILE with weights in safetensors or a `torch.save`d state dict.
        offline: use only what is on this machine.
        progress: show progress of downloads.

    Raises:
        UserError: unknown name, weights that cannot be had or do not fit; says what to do.
    """
    model = architecture(name)
    alias = catalog.find("vision", name)
    if alias and alias.carried:
        return _tower(f"local-dir:{carried.folder(alias.carried, offline, progress)}", name)
    if model.startswith("local-dir:"):
        return _tower(model, name)
    if alias is None and "=" in name:
        return _from_file(model, name.partition("=")[2])
    at_hand = [n for n in catalog.names("vision") if (entry := catalog.find("vision", n)) and entry.carried]
    offered = f"Without a hub there is {', '.join(f'--vision {n}' for n in at_hand)}, or ARCHITECTURE=FILE."
    return _tower(f"local-dir:{hub_folder(_hub_id(model), name, offered, offline)}", name)


def architecture(name: str) -> str:
    """What timm builds the model of a vision tower from: its own name for it, or local-dir:FOLDER.

    Raises:
        UserError: unknown name, or one for which there are no weights; says what to do.
    """
    import timm

    alias = catalog.find("vision", name)
    if alias is None and Path(name).is_dir():
        return f"local-dir:{Path(name)}"
    if alias is None and "=" in name:
        model, _, file = name.partition("=")
        if not timm.is_model(model.split(".")[0]):
            raise UnknownNameError("timm model", model, _near(model))
        if not Path(file).is_file():
            raise UserError(f"There is no file {file} with weights of {model}.")
        return model
    model = alias.model if alias else name
    built = model.split(".")[0]
    if not timm.is_model(built):
        raise UnknownNameError(
            "vision tower", name, _near(name), "Or give a folder in timm's hub layout, or ARCHITECTURE=FILE."
        )
    if not (alias and alias.carried) and not _hub_id(model):
        raise UserError(
            f"timm has no pretrained weights {model!r}; for {built} it has: "
            f"{', '.join(timm.list_pretrained(built + '.*')) or 'none'}."
        )
    return model


def _hub_id(model: str) -> str:
    """Where the weights of one of timm's models are on the hub, empty if nowhere."""
    import timm

    try:
        hub = timm.get_pretrained_cfg(model)
    except RuntimeError:  # the architecture is known, what stands behind its dot is not
        return ""
    if hub is None or not hub.hf_hub_id:
        return ""
    return hub.hf_hub_id if "/" in hub.hf_hub_id else f"timm/{model}"


def _near(name: str) -> list[str]:
    """Names worth suggesting: aliases, and timm's where one is near (it has more than a thousand)."""
    import timm

    models = timm.list_models()
    near = difflib.get_close_matches(name.casefold(), models, n=3, cutoff=0.5)
    return sorted({*catalog.names("vision"), *near})


class _Missing(logging.Handler):
    """Gathers what timm says of weights that it did not find: where the classifier is left out it only logs that."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if (said := record.getMessage()).startswith("Missing keys"):
            self.said.append(said)


def _created(model: str, **options: Any) -> nn.Module:
    """A timm model with its weights and without a classifier; ValueError if weights are missing."""
    import timm

    logger = logging.getLogger("timm.models._builder")
    level, missing = logger.level, _Missing()
    logger.addHandler(missing)
    logger.setLevel(logging.INFO)
    try:
        made: nn.Module = timm.create_model(model, pretrained=True, num_classes=0, **options)
    finally:
        logger.removeHandler(missing)
        logger.setLevel(level)
    if missing.said:
        raise ValueError(missing.said[0])
    return made


def _tower(model: str, name: str) -> VisionTower:
    try:
        made = _created(model)
    except Exception as error:
        raise UserError(f"The vision tower {name} cannot be loaded: {str(error)[:300]}") from error
    return VisionTower(made, name).eval().requires_grad_(False)


def _from_file(model_name: str, file: str) -> VisionTower:
    try:
        # timm reads safetensors as such and everything else with `weights_only=True`; its filter also drops the
        # classifier of a checkpoint that has one.
        made = _created(model_name, pretrained_cfg_overlay={"file": file, "custom_load": False})
    except Exception as error:
        raise UserError(f"{file} does not hold weights of {model_name}: {str(error)[:300]}") from error
    return VisionTower(made, f"{model_name}={file}").eval().requires_grad_(False)
