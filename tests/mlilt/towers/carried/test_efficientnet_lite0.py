"""The default vision tower: its folder in timm's layout, and its real weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.data import Row
from mlilt.towers import carried, vision
from mlilt.towers.carried import efficientnet_lite0
from mlilt.towers.vision import VisionTower


def package(folder: Path, state: dict[str, torch.Tensor]) -> dict[str, Path]:
    """The package's file: the same tensors in the same order, under names of its own."""
    folder.mkdir(exist_ok=True)
    torch.save({f"own.{n}": t for n, t in enumerate(state.values())}, folder / efficientnet_lite0._FILE)
    return {efficientnet_lite0.RESOURCES[0].name: folder}


def test_tensors_are_matched_by_their_order_and_load_by_timms_own_call(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    (tmp_path / "model").mkdir()
    efficientnet_lite0.build(package(tmp_path / "files", model.state_dict()), tmp_path / "model")
    loaded = timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True).eval()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded(pixels), model(pixels))


def test_another_order_is_an_error(tmp_path: Path) -> None:
    state = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    files = package(tmp_path, dict(reversed(state.items())))
    with pytest.raises(UserError, match=r"does not hold tf_efficientnet_lite0's tensors in timm's order"):
        efficientnet_lite0.build(files, tmp_path)


def test_features_are_timms_own_averaged_over_the_picture(eyes: VisionTower) -> None:
    own = timm.create_model(f"local-dir:{carried.folder('efficientnet_lite0')}", pretrained=True).eval()
    pixels = torch.randint(0, 256, (3, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        maps = own.forward_features((pixels.float() / 255 - 0.5) / 0.5)
        found = eyes(pixels)
    assert maps.shape == (3, 1280, 7, 7)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, maps.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_two_vendors_pictures_of_a_concept_are_alike(
    eyes: VisionTower, small_sw: Prepared, train_rows: list[Row]
) -> None:
    """Real weights know the things of the world: random ones would find the other picture one time in twenty."""
    by_concept: dict[str, list[str]] = {}
    for row in train_rows:
        if row.source == "flags":
            by_concept.setdefault(row.concept, []).append(row.image_id)
    pairs = [ids[:2] for ids in by_concept.values() if len(set(ids)) > 1][:20]
    assert len(pairs) == 20
    pictures = dict(data.read_pictures(small_sw.folder, "train", {i for pair in pairs for i in pair}))
    one, other = (eyes.encode([pictures[pair[side]] for pair in pairs]) for side in (0, 1))
    one, other = one - one.mean(0), other - other.mean(0)
    best = (torch.nn.functional.normalize(one) @ torch.nn.functional.normalize(other).T).argmax(1)
    assert (best == torch.arange(20)).float().mean() > 0.7


def test_the_real_tower_is_the_default(eyes: VisionTower) -> None:
    assert vision.DEFAULT == "efficientnet-lite0"
    assert eyes.width == 1280
    # 4.65 M parameters, the classifier's 1.28 M among them.
    assert sum(p.numel() for p in eyes.parameters()) == pytest.approx(4.65e6 - 1281 * 1000, rel=0.01)
