"""Settings with nothing left open."""

from __future__ import annotations

import pytest

from data_prep.errors import UserError
from mlilt import strategies
from mlilt.config import RunConfig
from mlilt.training.resolve import overruled, resolve


@pytest.mark.parametrize("name", strategies.presets.names())
def test_a_preset_is_spelled_out_and_has_its_strategies_learning_rates(name: str) -> None:
    preset = strategies.presets.find(name)
    found = resolve(RunConfig(lang="sw", strategy=name))
    assert (found.strategy, found.vision_strategy) == (preset.text, preset.vision)
    assert found.lr == strategies.load(preset.text).learning_rate
    frozen = preset.vision == "frozen"
    assert found.vision_lr == (None if frozen else strategies.load(preset.vision).learning_rate)
    assert found == resolve(found)


def test_one_way_of_writing_for_equal_settings() -> None:
    one = resolve(RunConfig(lang="sw", strategy="layernorm+adapter-deep:reduction=4", always_freeze=[3, 0, 3]))
    other = resolve(RunConfig(lang="sw", strategy="adapter-deep+layernorm", always_freeze=[0, 3]))
    assert one == other
    assert one.name == "sw-adapter-deep+layernorm-s0"


def test_what_is_given_stands() -> None:
    given = {"lr": 0.5, "vision_lr": 0.25, "chunk_size": 7, "vision_strategy": "bitfit"}
    found = resolve(RunConfig(lang="sw", **given))
    assert {key: getattr(found, key) for key in given} == given


def test_chunks_are_smaller_where_pictures_are_encoded_with_gradient() -> None:
    sizes = [resolve(RunConfig(lang="sw", strategy=name, device="cpu")).chunk_size for name in ("lit", "clip")]
    assert sizes[0] > sizes[1]


def test_a_misspelt_preset_is_answered_with_the_preset() -> None:
    with pytest.raises(UserError, match=r"Did you mean .*lilt-da"):
        resolve(RunConfig(lang="sw", strategy="lilt-dq"))


def test_another_strategy_than_a_files_takes_its_own_rates() -> None:
    file = resolve(RunConfig(lang="sw", strategy="clip")).outcome()
    found = resolve(RunConfig(**overruled(file, {"strategy": "lora", "vision_strategy": "layernorm"})))
    assert (found.lr, found.vision_lr) == (1e-3, 3e-3)
    preset = resolve(RunConfig(**overruled(file, {"strategy": "lit"})))
    assert (preset.strategy, preset.vision_strategy, preset.chunk_size) == ("full", "frozen", 512)
    same = resolve(RunConfig(**overruled(file, {"seed": 3})))
    assert same == resolve(RunConfig(lang="sw", strategy="clip", seed=3))
