"""Pictures in any order, and their pixels decoded ahead, on the real small set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from data_prep.errors import UserError
from mlilt import data
from mlilt.config import RunConfig
from mlilt.towers.vision import VisionTower
from mlilt.training import corpus
from mlilt.training.corpus import Split
from mlilt.training.pictures import Pictures, Pixels


@pytest.fixture
def split(settings: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Split:
    """The test split, with a cache that is empty."""
    found = corpus.read(settings()).test["sw"]
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path / "cache"))
    return found


def test_each_place_holds_the_bytes_of_its_picture(split: Split, tmp_path: Path) -> None:
    folder, name = split.folders[0]
    expected = dict(data.read_pictures(folder, name))
    for pictures in (Pictures(split), Pictures(split)):
        assert len(pictures) == len(split.image_ids)
        assert [pictures[place] for place in range(len(pictures))] == [expected[i] for i in split.image_ids]
    kept = [path for path in (tmp_path / "cache" / "pictures").iterdir() if path.suffix != ".lock"]
    assert [path.suffix for path in kept] == [".arrow"]


def test_what_a_killed_process_left_half_written_is_written_anew(split: Split, tmp_path: Path) -> None:
    Pictures(split)
    [whole] = (tmp_path / "cache" / "pictures").glob("*.arrow")
    before = whole.read_bytes()
    whole.with_suffix(".part").write_bytes(before[:1000])
    whole.unlink()
    Pictures(split)
    assert whole.read_bytes() == before


def test_a_cache_that_cannot_be_written_is_told(split: Split, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "pictures").write_text("in the way")
    with pytest.raises(UserError, match=r"picture cache cannot be written: .* set MLILT_CACHE to another folder"):
        Pictures(split)


def test_pixels_are_those_of_the_preprocessing_whether_asked_for_ahead_or_not(split: Split, eyes: VisionTower) -> None:
    pictures = Pictures(split)
    pixels = Pixels(eyes, pictures)
    places = [3, 0, 5]
    expected = torch.stack([eyes.preprocess(pictures[place]) for place in places])
    assert torch.equal(pixels.take(places), expected)
    for start in range(8):
        # More than may wait: the rest is decoded when it is taken.
        pixels.ahead([start, start + 1])
    pixels.ahead(places)
    assert torch.equal(pixels.take(places), expected)
    assert torch.equal(pixels.take([0, 1])[0], expected[1])
    assert pixels.take([7, 8]).dtype == torch.uint8
    pixels.close()
