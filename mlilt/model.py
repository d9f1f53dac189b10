"""Puts a model together from settings, and loads a finished run as one that encodes text and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from data_prep.errors import UserError
from mlilt import learned, record, strategies
from mlilt.alignment import objectives
from mlilt.alignment.dual_encoder import DualEncoder
from mlilt.config import FROZEN, RunConfig
from mlilt.record import RunRecord
from mlilt.strategies import Account
from mlilt.towers import embedding_rows, text, trimming, vision
from mlilt.towers.inference import Encode, EncodeCaption, caption_for_inference, for_inference
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower

# Where a trained model's tokens are kept, if its vocabulary was trimmed.
KEPT = "kept"
_TEXT_BATCH = 256
_IMAGE_BATCH = 32


def assemble(config: RunConfig, tower: TextTower, eyes: VisionTower) -> tuple[DualEncoder, Account, Account]:
    """The dual encoder of a run with its strategies applied, and their accounts: of the text and the vision tower.

    Initial weights follow from torch's generator: seed it before.
    """
    text_account, vision_account = apply_strategies(config, tower.encoder, eyes.model)
    bias = objectives.load(config.objective).bias
    trains = bool(vision_account.trained)
    dual = DualEncoder(tower, eyes.width, config.dim, config.temperature, bias, eyes if trains else None)
    return dual.eval(), text_account, vision_account


def apply_strategies(config: RunConfig, language: nn.Module, eyes: nn.Module) -> tuple[Account, Account]:
    """Applies a run's strategies to its text encoder and its vision model, and gives both accounts.

    Raises:
        UserError: a strategy finds nothing to train there, or does not fit.
    """
    text_account = strategies.apply(
        strategies.load(config.strategy), language, config.always_freeze, f"the text tower {config.text}"
    )
    vision_account = strategies.apply(
        strategies.load(config.vision_strategy or FROZEN),
        eyes,
        config.vision_always_freeze,
        f"the vision tower {config.vision}",
    )
    return text_account, vision_account


def encode_captions(dual: DualEncoder, captions: Sequence[str], dtype: torch.dtype, projected: bool = True) -> Tensor:
    """Embeddings of captions, in order.

    Args:
        dual: the dual encoder, on the device where to compute.
        captions: any number of captions.
        dtype: precision of matrix products.
        projected: False for the text tower's own vectors.

    Returns:
        float32 of shape (n, dim), L2-normalized, or (n, text width); on the CPU.
    """
    tower: Any = dual.text
    device = dual.log_scale.device
    ids = tower.tokenize(captions)
    out = torch.empty(len(ids), dual.text_projection.weight.shape[0] if projected else tower.width)
    # By length, so that little is padded.
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for start in range(0, len(order), _TEXT_BATCH):
            places = order[start : start + _TEXT_BATCH]
            batch = [ids[i] for i in places]
            out[places] = (dual.encode_text(batch) if projected else tower(batch)).float().cpu()
    return out


class Model:
    """A finished run, ready to encode.

    Attributes:
        record: what is known of the run.
        dual: the dual encoder.
        vision: the vision tower.
    """

    def __init__(self, record: RunRecord, dual: DualEncoder, vision: VisionTower, dtype: torch.dtype) -> None:
        self.record = record
        self.dual = dual
        self.vision = vision
        self._dtype = dtype

    @cached_property
    def _encode(self) -> Encode:
        """Compiled on first use: who asks by text alone need not wait for it."""
        return for_inference(self.vision, self.dual.log_scale.device, torch.float32)

    @cached_property
    def _encode_caption(self) -> EncodeCaption:
        """Compiled on first use, which takes a second or two."""
        from mlilt.training.device import choose_precision

        device = self.dual.log_scale.device
        return caption_for_inference(cast(TextTower, self.dual.text), device, choose_precision("auto", device))

    @cached_property
    def _text_affine(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        weight, bias = self.dual.text_projection.affine()
        return weight.numpy(), bias.numpy()

    @property
    def dim(self) -> int:
        """Size of the shared space."""
        return self.record.config.dim

    def encode_text(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Captions -> float32 array of shape (n, dim), L2-normalized.

        Raises:
            TypeError: one string instead of a list of them.
        """
        if isinstance(captions, str):
            raise TypeError("encode_text takes a list of captions, not one string")
        return np.asarray(encode_captions(self.dual, captions, self._dtype).numpy(), dtype=np.float32)

    def encode_query(self, query: str) -> NDArray[np.float32]:
        """One text with least delay, for whoever asks again and again -> float32 of shape (dim,), L2-normalized.

        The text tower is compiled for it by the first call; on a CPU that multiplies bfloat16 faster its products are
        in that (cosine 0.9995 or more to `encode_text`, which is better for many texts or a single call). From any
        thread.
        """
        tower: Any = self.dual.text
        weight, bias = self._text_affine
        # Not by torch, whose threads would wait on the cores that the next query needs.
        found = weight @ self._encode_caption(tower.tokenize([query])[0])[0].cpu().numpy() + bias
        return np.asarray(found / max(float(np.linalg.norm(found)), 1e-12), dtype=np.float32)

    def encode_image(self, pictures: Sequence[Image.Image | Path | str | bytes]) -> NDArray[np.float32]:
        """Pictures (PIL images, paths or encoded bytes) -> float32 array of shape (n, dim), L2-normalized.

        Raises:
            TypeError: one picture instead of a list of them.
            PictureError: a picture cannot be decoded.
        """
        if isinstance(pictures, str | bytes | Path | Image.Image):
            raise TypeError("encode_image takes a list of pictures, not one")
        out = np.empty((len(pictures), self.dim), dtype=np.float32)
        for start in range(0, len(pictures), _IMAGE_BATCH):
            batch = [Path(p) if isinstance(p, str) else p for p in pictures[start : start + _IMAGE_BATCH]]
            with torch.inference_mode():
                features = self._encode(self.vision.pixels(batch).to(self.dual.log_scale.device))
                out[start : start + len(batch)] = self.dual.encode_image(features).cpu().numpy()
        return out


def load(
    run: Path | str, device: str = "auto", precision: str = "fp32", offline: bool = False, progress: bool = False
) -> Model:
    """Loads a finished run.

    Loading is strict: a key too many, a key missing or base weights other than those trained on are errors.

    Args:
        run: the run's folder.
        device: auto, cpu or cuda.
        precision: auto, fp32 or bf16, of the text tower's matrix products in `encode_text`.
        offline: use only what is on this machine.
        progress: show progress of downloads.

    Raises:
        UserError: no finished run there, or its weights or base weights are not those of its record.
    """
    from mlilt.training.device import choose_device, choose_precision

    where = choose_device(device)
    dtype = choose_precision(precision, where)
    about, dual, eyes = restore(Path(run), where, dtype, offline, progress)
    return Model(about, dual, eyes, dtype)


def restore(
    folder: Path, where: torch.device, dtype: torch.dtype, offline: bool = False, progress: bool = False
) -> tuple[RunRecord, DualEncoder, VisionTower]:
    """A finished run's record, its dual encoder on a device, and its vision tower; raises as `load`."""
    from mlilt.training.device import store_frozen

    about = record.read(folder)
    if learned.file_digest(folder / record.WEIGHTS) != about.weights_sha256:
        raise UserError(f"{folder / record.WEIGHTS} is not what this run wrote. Train the run again with --force.")
    tower, eyes = base_towers(about, offline, progress)
    tensors, _ = learned.read_weights(folder / record.WEIGHTS)
    if about.config.trim_vocab:
        tower = trim(tower, tensors[f"text.{KEPT}"].tolist())
    tower.settle(where)
    dual, _, _ = assemble(about.config, tower, eyes)
    if about.trained.embedding_rows is not None:
        ids = [t for name, t in tensors.items() if name.endswith(".ids")]
        embedding_rows.train_rows(tower.encoder, ids[0] if ids else torch.empty(0, dtype=torch.int64))
    learned.load_learned(dual, tensors)
    dual.requires_grad_(False)
    store_frozen(dual.text, dtype)
    return about, dual.to(where), eyes


def base_towers(about: RunRecord, offline: bool = False, progress: bool = False) -> tuple[TextTower, VisionTower]:
    """The towers that a run started from; raises as `load`."""
    tower = text.load(about.config.text, offline=offline, progress=progress)
    _check("text tower", about.text, tower)
    eyes = vision.load(about.config.vision, offline=offline, progress=progress)
    _check("vision tower", about.vision, eyes)
    return tower, eyes


def trim(tower: TextTower, ids: Sequence[int]) -> TextTower:
    """A text tower with these pieces of its vocabulary alone; a run keeps which they are."""
    trimmed = trimming.trim(tower, ids)
    trimmed.register_buffer(KEPT, torch.tensor(ids, dtype=torch.int64))
    trimmed.learned_buffers = (KEPT,)
    return trimmed


def _check(what: str, expected: record.Tower, tower: TextTower | VisionTower) -> None:
    if (found := tower.digest()) != expected.sha256:
        raise UserError(
            f"The {what} {expected.name} is not the one this run was trained on: its digest is "
            f"{found[:12]}..., the record says {expected.sha256[:12]}.... Train the run again, or bring those weights."
        )
