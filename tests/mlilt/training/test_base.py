"""Towers that a run starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from data_prep.errors import UserError
from mlilt import record
from mlilt.config import RunConfig
from mlilt.towers import text, vision
from mlilt.training import base, loop


def test_towers_come_with_their_digests_and_sizes(tiny: dict[str, str], tiny_eyes: dict[str, str]) -> None:
    towers = base.load(tiny["mbert"], tiny_eyes["vit"])
    for about, name, tower, module in (
        (towers.text_about, tiny["mbert"], text.load(tiny["mbert"]), towers.text.encoder),
        (towers.vision_about, tiny_eyes["vit"], vision.load(tiny_eyes["vit"]), towers.vision.model),
    ):
        assert about.name == name
        assert about.sha256 == tower.digest()
        assert about.parameters == sum(each.numel() for each in module.parameters())
    with pytest.raises(UserError, match="Did you mean"):
        base.load(tiny["mbert"], "efficientnet-lite")


def test_towers_at_hand_train_the_weights_of_those_that_the_run_loads(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tiny_eyes: dict[str, str], tmp_path: Path
) -> None:
    """Adapters begin with random numbers, which what was drawn before must not change."""
    towers = {"text": tiny["mbert"], "vision": tiny_eyes["cnn"]}
    config = settings(strategy="adapter-deep", vision_strategy="lora", epochs=1, seed=3, **towers)
    loop.train(config, tmp_path / "loads", progress=False)
    torch.rand(7)
    loaded = base.load(*towers.values())
    loop.train(config, tmp_path / "has", progress=False, towers=loaded)
    assert (tmp_path / "has" / record.WEIGHTS).read_bytes() == (tmp_path / "loads" / record.WEIGHTS).read_bytes()
    assert record.read(tmp_path / "has").text == record.read(tmp_path / "loads").text
