"""Architectures without weights are those of the loaded towers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
from torch import nn

from data_prep.errors import UserError
from mlilt.towers import blueprint, carried, catalog, text, vision
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower


def shapes(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(p.shape)) for name, p in module.named_parameters()]


def is_blueprint(module: nn.Module) -> bool:
    frozen = not any(p.requires_grad for p in module.parameters())
    return frozen and not module.training and all(p.is_meta for p in module.parameters())


def test_the_default_text_tower_is_the_loaded_one(e5: TextTower) -> None:
    made = blueprint.text("e5-small")
    assert is_blueprint(made)
    assert shapes(made) == shapes(e5.encoder)
    assert [(n, type(m)) for n, m in made.named_modules()] == [(n, type(m)) for n, m in e5.encoder.named_modules()]
    assert blueprint.width(made) == e5.width


def test_the_default_vision_tower_is_the_loaded_one(eyes: VisionTower) -> None:
    made = blueprint.vision("efficientnet-lite0")
    assert is_blueprint(made)
    assert shapes(made) == shapes(eyes.model)
    assert [(n, type(m)) for n, m in made.named_modules()] == [(n, type(m)) for n, m in eyes.model.named_modules()]
    assert blueprint.width(made) == eyes.width


@pytest.mark.parametrize("name", catalog.names("text"))
def test_each_text_alias_is_as_large_as_its_title_says(name: str) -> None:
    alias = catalog.find("text", name)
    assert alias is not None
    said = float(alias.title.partition(" M parameters")[0].rpartition(" ")[2])
    count = sum(p.numel() for p in blueprint.text(name).parameters())
    assert count / 1e6 == pytest.approx(said, rel=0.02)


@pytest.mark.parametrize("name", catalog.names("vision"))
def test_each_vision_alias_can_be_built(name: str) -> None:
    assert is_blueprint(blueprint.vision(name))


def test_a_local_folder_is_read_for_its_settings_alone(mbert_folder: Path, tmp_path: Path) -> None:
    shutil.copy(mbert_folder / "config.json", tmp_path)
    made = blueprint.text(str(tmp_path))
    assert is_blueprint(made)
    assert shapes(made) == shapes(text.load(str(mbert_folder)).encoder)


def test_a_local_folder_of_timm_is_read_for_its_settings_alone(tmp_path: Path, eyes: VisionTower) -> None:
    shutil.copy(carried.folder("efficientnet_lite0", offline=True) / "config.json", tmp_path)
    assert shapes(blueprint.vision(str(tmp_path))) == shapes(eyes.model)


def test_a_file_of_weights_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"no weights")
    made = blueprint.vision(f"test_vit={tmp_path / 'w.pth'}")
    assert shapes(made) == shapes(timm.create_model("test_vit", num_classes=0))
    assert blueprint.width(made) == 64


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (text, "xlmr-base"),
        (text, "./nowhere"),
        (vision, "deit-bas"),
        (vision, "deit_base_patch16_224.nothing"),
        (vision, "test_byobnet=nowhere.pth"),
        (vision, "deit_bass=nowhere.pth"),
    ],
)
def test_unknown_names_are_answered_as_when_loading(kind: Any, name: str) -> None:
    with pytest.raises(UserError) as loading:
        kind.load(name, offline=True, progress=False)
    with pytest.raises(UserError) as building:
        (blueprint.text if kind is text else blueprint.vision)(name, offline=True)
    assert type(building.value) is type(loading.value)
    assert str(building.value) == str(loading.value)


@pytest.mark.parametrize("content", [None, "{", '{"model_type": "nonesuch"}'])
def test_settings_that_cannot_be_read_are_named(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"settings of .* \(.*config\.json\) cannot be read"):
        blueprint.text(str(tmp_path))


def test_settings_in_the_hubs_cache_are_enough(mbert_folder: Path, tmp_path: Path) -> None:
    commit = "0" * 40
    root = tmp_path / "hub" / "models--someone--bert"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    (root / "snapshots" / commit).mkdir(parents=True)
    shutil.copy(mbert_folder / "config.json", root / "snapshots" / commit)
    code = (
        "from data_prep.errors import UserError; from mlilt.towers import blueprint\n"
        "print(sum(p.numel() for p in blueprint.text('someone/bert').parameters()))\n"
        "try: blueprint.text('someone/other')\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, told = done.stdout.splitlines()
    assert int(count) == sum(p.numel() for p in blueprint.text(str(mbert_folder)).parameters())
    assert "someone/other" in told
    assert "hf download someone/other" in told


def test_a_model_of_another_kind_than_an_encoder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "encoder-decoder"}', encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot be (built|read)"):
        blueprint.text(str(tmp_path))
