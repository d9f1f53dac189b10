"""The towers that a run starts from, as they come, and what identifies them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from mlilt.record import Tower
from mlilt.towers import text, vision
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower


@dataclass(frozen=True, slots=True)
class Base:
    """Pretrained towers of which nothing has been trained, and what a record says of them."""

    text: TextTower
    vision: VisionTower
    text_about: Tower
    vision_about: Tower


def load(text_name: str, vision_name: str, offline: bool = False, progress: bool = True) -> Base:
    """Loads both towers; raises as `mlilt.towers.text.load` and `mlilt.towers.vision.load`."""
    tower = text.load(text_name, offline=offline, progress=progress)
    text_about = _about(text_name, tower, tower.encoder)
    eyes = vision.load(vision_name, offline=offline, progress=progress)
    return Base(tower, eyes, text_about, _about(vision_name, eyes, eyes.model))


def _about(name: str, tower: TextTower | VisionTower, module: nn.Module) -> Tower:
    return Tower(name=name, sha256=tower.digest(), parameters=sum(p.numel() for p in module.parameters()))
