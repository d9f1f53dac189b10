"""What a comparison asks for, in settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt.comparison import grid


@pytest.mark.parametrize(
    ("name", "text", "vision"),
    [
        ("layernorm", "layernorm", "frozen"),
        ("lit", "full", "frozen"),
        ("clip", "full", "full"),
        ("lilt-da", "adapter-deep+layernorm", "adapter-deep+layernorm"),
        ("layernorm/bitfit", "layernorm", "bitfit"),
        ("layernorm+adapter-deep/frozen", "adapter-deep+layernorm", "frozen"),
        ("lora:rank=16/last-k:k=1", "lora:rank=16", "last-k:k=1"),
    ],
)
def test_a_name_sets_what_trains_in_both_towers(small_sw: Prepared, name: str, text: str, vision: str) -> None:
    [config] = grid.expand(["sw"], [name], 1, {"data": str(small_sw.folder)})
    assert config.strategy.split("+") == text.split("+")
    assert config.vision_strategy == vision
    assert (config.vision_lr is None) == (vision == "frozen")


def test_each_run_is_asked_for_once_however_it_is_named(small_sw: Prepared) -> None:
    names = ("full", "lit", "full/frozen", "clip", "full/full")
    found = grid.expand(["sw"], names, 2, {"data": str(small_sw.folder)})
    assert [(c.method, c.seed) for c in found] == [("full", 0), ("full/full", 0), ("full", 1), ("full/full", 1)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("layernorm/layernrom", "Did you mean layernorm?"),
        ("layernorm/", "vision_strategy"),
        ("/layernorm", "strategy"),
        ("layernorm/clip", "clip is a preset"),
        ("clip/layernorm", "clip is a preset"),
        ("layernorm/bitfit/full", "bitfit/full"),
    ],
)
def test_a_bad_pair_is_told(small_sw: Prepared, name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        grid.expand(["sw"], [name], 1, {"data": str(small_sw.folder)})


def test_languages_joined_train_together_and_others_apart(two_languages: Path) -> None:
    settings = {"data": str(two_languages)}
    [config] = grid.expand(["sw+yo"], ["frozen"], 1, settings)
    assert config.languages == ["sw", "yo"]
    assert grid.place(config, "ab", two_languages / "runs").name == "sw+yo-frozen-s0"
    apart = [grid.expand([code], ["frozen"], 1, {"data": str(two_languages / code)}) for code in config.languages]
    assert [c.languages for [c] in apart] == [["sw"], ["yo"]]
    with pytest.raises(UserError, match="mlilt prep --lang ha"):
        grid.expand(["sw+ha"], ["frozen"], 1, settings)
