"""Vision towers by file, folder and name; small random timm models stand for large ones."""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from data_prep.errors import UnknownNameError, UserError
from data_prep.pictures import PictureError
from mlilt.towers import vision
from mlilt.towers.vision import VisionTower


def model_of(architecture: str) -> torch.nn.Module:
    torch.manual_seed(0)
    model: torch.nn.Module = timm.create_model(architecture, pretrained=False)
    return model.eval()


def pixels_for(tower: VisionTower, count: int = 2) -> torch.Tensor:
    size = json.loads(tower.preprocessing)["size"]
    return torch.randint(0, 256, (count, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def features_of(model: Any, tower: VisionTower, pixels: torch.Tensor) -> torch.Tensor:
    """What timm calls the features before the classifier."""
    about = json.loads(tower.preprocessing)
    mean, std = (torch.tensor(about[key])[:, None, None] for key in ("mean", "std"))
    with torch.inference_mode():
        maps = model.forward_features((pixels.float() / 255 - mean) / std)
        features: torch.Tensor = model.forward_head(maps, pre_logits=True)
    return features


# The last widens its features in a head of its own, behind the pooling.
@pytest.mark.parametrize("architecture", ["test_resnet", "test_vit", "mobilenetv3_small_050"])
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_file_with_weights_is_loaded_its_classifier_left_aside(
    architecture: str, suffix: str, tmp_path: Path
) -> None:
    model = model_of(architecture)
    file = tmp_path / f"weights.{suffix}"
    save_file(model.state_dict(), file) if suffix == "safetensors" else torch.save(model.state_dict(), file)
    tower = vision.load(f"{architecture}={file}")
    pixels = pixels_for(tower)
    with torch.inference_mode():
        found = tower(pixels)
    assert found.shape == (2, tower.width)
    torch.testing.assert_close(found, features_of(model, tower, pixels), rtol=1e-4, atol=1e-5)
    assert not tower.training
    assert not any(p.requires_grad for p in tower.parameters())


def test_a_folder_in_timms_layout_is_loaded(tmp_path: Path) -> None:
    model = model_of("test_resnet")
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    settings = {
        "architecture": "test_resnet",
        "pretrained_cfg": {
            "input_size": [3, 48, 64],
            "interpolation": "bilinear",
            "num_classes": 1000,
            "classifier": "fc",
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    tower = vision.load(str(tmp_path))
    assert tower.preprocess(Image.new("RGB", (10, 10))).shape == (3, 48, 64)
    pixels = pixels_for(tower)
    with torch.inference_mode():
        torch.testing.assert_close(tower(pixels), features_of(model, tower, pixels), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("as_folder", [False, True])
def test_code_in_a_weights_file_is_not_run(as_folder: bool, tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Code()}, protocol=2))
    (folder / "config.json").write_text('{"architecture": "test_resnet", "pretrained_cfg": {}}', encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot be loaded|does not hold weights of test_resnet"):
        vision.load(str(folder) if as_folder else f"test_resnet={folder / 'pytorch_model.bin'}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"\0" * 100])
def test_a_file_that_holds_no_weights_is_an_error_that_names_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"w\.safetensors does not hold weights of test_resnet"):
        vision.load(f"test_resnet={tmp_path / 'w.safetensors'}")


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize("holds", ["another architecture", "all but one"])
def test_weights_that_lack_some_of_the_towers_are_an_error(as_folder: bool, holds: str, tmp_path: Path) -> None:
    state = model_of("test_vit" if holds == "another architecture" else "test_resnet").state_dict()
    state.pop("layer4.0.bn1.running_mean", None)
    save_file(state, tmp_path / "model.safetensors")
    settings = {"architecture": "test_resnet", "pretrained_cfg": {"num_classes": 1000, "classifier": "fc"}}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"Missing keys \(.*layer4\.0\.bn1\.running_mean|Missing keys \(conv1\.0\.weight"
    ):
        vision.load(str(tmp_path) if as_folder else f"test_resnet={tmp_path / 'model.safetensors'}")


def test_a_missing_file_and_an_unknown_architecture_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no file .*none with weights of test_resnet"):
        vision.load(f"test_resnet={tmp_path / 'none'}")
    with pytest.raises(UnknownNameError, match=r"no timm model named 'test_rsnet'\. Did you mean .*test_resnet"):
        vision.load(f"test_rsnet={tmp_path / 'none'}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("efficientnet-lite", "Did you mean .*efficientnet-lite0"),
        ("deit_base_patch16_22", "Did you mean .*deit_base_patch16_224"),
        # Nothing is near: the aliases are offered, not timm's thousand names.
        ("zzqqxxjj", "Known: deit-base, .*efficientnet-lite0.*vit-base"),
        (
            "vit_base_patch16_224.nonsense",
            "no pretrained weights .*nonsense'; for vit_base_patch16_224 it has: .*augreg",
        ),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        vision.load(name)
    assert len(str(caught.value)) < 1000


def test_the_whole_picture_is_squeezed_into_the_square(eyes: VisionTower) -> None:
    picture = Image.effect_noise((300, 120), 60).convert("RGB")
    about = json.loads(eyes.preprocessing)
    assert about["crop"] == "none"
    expected = picture.resize((224, 224), Image.Resampling[about["interpolation"].upper()])
    found = eyes.preprocess(picture)
    assert found.dtype == torch.uint8
    assert np.array_equal(found.numpy(), np.asarray(expected).transpose(2, 0, 1))


def transparent(mode: str) -> Image.Image:
    """A black disc on a transparent ground that is black beneath."""
    alpha = Image.new("L", (64, 64), 0)
    alpha.paste(255, (16, 16, 48, 48))
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.putalpha(alpha)
    return picture.convert(mode)


@pytest.mark.parametrize(
    "picture", [Image.new("L", (30, 20), 90), transparent("RGBA"), transparent("LA")], ids=["grey", "rgba", "la"]
)
def test_a_picture_gives_the_same_pixels_as_object_as_file_and_as_bytes(
    picture: Image.Image, eyes: VisionTower, tmp_path: Path
) -> None:
    out = io.BytesIO()
    picture.save(out, "PNG")
    (tmp_path / "p.png").write_bytes(out.getvalue())
    pixels = [eyes.preprocess(p) for p in (picture, tmp_path / "p.png", out.getvalue())]
    assert torch.equal(pixels[0], pixels[1])
    assert torch.equal(pixels[1], pixels[2])
    if "A" in picture.mode:
        assert (pixels[0][:, 0, 0] == 255).all()


def test_a_picture_object_that_is_cut_short_is_a_picture_error(eyes: VisionTower) -> None:
    out = io.BytesIO()
    Image.effect_noise((100, 100), 60).save(out, "PNG")
    lazy = Image.open(io.BytesIO(out.getvalue()[:3000]))
    with pytest.raises(PictureError, match="damaged or cut short"):
        eyes.preprocess(lazy)


def test_what_decides_the_pixels_is_told_apart(eyes: VisionTower, tmp_path: Path) -> None:
    save_file(model_of("test_vit").state_dict(), tmp_path / "w.safetensors")
    other = vision.load(f"test_vit={tmp_path / 'w.safetensors'}")
    assert other.preprocessing != eyes.preprocessing
    assert vision.load().preprocessing == eyes.preprocessing
