"""Runs of the default towers to export, their parts, and a picture of no square shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mlilt import export
from mlilt.config import RunConfig
from mlilt.export import parts
from mlilt.export.parts import Parts
from mlilt.training import loop
from tests.conftest import Once

CAPTIONS = ["mbwa", "nyumba nyeupe yenye paa jekundu kando ya bahari", "uso wenye tabasamu pana", "ዝሆን", "kitabu " * 90]


@pytest.fixture(scope="session")
def lora(settings: Callable[..., RunConfig], once: Once) -> Path:
    """A run whose towers both have LoRA's products beside their own weights. To be read only."""
    config = settings(strategy="lora+layernorm", vision_strategy="lora", epochs=1, concepts=30)
    return once("lora", lambda folder: loop.train(config, out=folder, progress=False))


@pytest.fixture(scope="session")
def taken(lora: Path) -> Parts:
    """Its parts. To be read only."""
    return parts.take(lora, offline=True)


@pytest.fixture(scope="session")
def exported(lora: Path, once: Once) -> Callable[[str], Path]:
    """Its export for a target, written once. To be read only."""

    def find(name: str) -> Path:
        def write(folder: Path) -> Path:
            return export.export(lora, name, folder / name, offline=True, progress=False)

        return once(f"exported-{name}", write) / name

    return find


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of noise over a ramp, wider than high."""
    noise = Image.effect_noise((300, 180), 60)
    path = tmp_path / "picture.png"
    Image.merge("RGB", (noise, Image.linear_gradient("L").resize(noise.size), noise.rotate(180))).save(path)
    return path
