"""Settings: a file reproduces them, and all mistakes are named at once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import UserError
from mlilt import config as configs
from mlilt.config import RunConfig

CODE = st.from_regex(r"[^+\s]+", fullmatch=True)
BLOCKS = st.lists(st.integers(-12, 11))
SETTINGS = st.fixed_dictionaries(
    {"lang": st.lists(CODE, min_size=1, unique=True).map("+".join)},
    optional={
        "text": st.sampled_from(["e5-small", "C:\\models\\own", 'a "quoted" folder', "größe/模型"]),
        "strategy": st.sampled_from(["full", "lora:rank=16+bitfit", "lilt-da"]),
        "vision_strategy": st.sampled_from([None, "frozen", "last-k:k=1"]),
        "always_freeze": BLOCKS,
        "vision_always_freeze": BLOCKS,
        "vision_lr": st.one_of(st.none(), st.floats(1e-9, 10)),
        "chunk_size": st.one_of(st.none(), st.integers(1, 4096)),
        "bridge": st.sampled_from(["", "en"]),
        "trim_vocab": st.booleans(),
        "epochs": st.integers(1, 1000),
        "concepts": st.one_of(st.none(), st.integers(2, 1000)),
        "held_out": st.lists(st.sampled_from(["Food & Drink", "animals"]), unique=True),
        "min_steps": st.integers(0, 1000),
        "budget_s": st.one_of(st.none(), st.floats(1e-3, 1e6)),
        "lr": st.one_of(st.none(), st.floats(1e-9, 10)),
        "weight_decay": st.floats(0, 1),
        "adam_epsilon": st.floats(1e-12, 1),
        "warmup": st.floats(0, 0.99),
        "temperature": st.floats(0.001, 0.5),
        "keyword_share": st.floats(0, 1),
        "projection_init": st.sampled_from(["cca", "random"]),
        "precision": st.sampled_from(["auto", "fp32", "bf16"]),
        "seed": st.integers(0, 2**31),
    },
)


@given(settings=SETTINGS)
def test_what_is_written_is_read_back_as_the_same_settings(settings: dict[str, object]) -> None:
    config = RunConfig(**settings)  # type: ignore[arg-type]
    assert configs.make(tomllib.loads(tomli_w.dumps(config.outcome()))) == config


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    config = RunConfig(lang="sw", lr=1e-4, data="C:\\sets\\sw")
    configs.write(config, tmp_path / "c.toml")
    assert configs.read(tmp_path / "c.toml") == config


def test_a_whole_number_will_do_where_a_share_is_meant(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('lang = "sw"\nlr = 1\nkeyword_share = 0\n', encoding="utf-8")
    assert configs.read(tmp_path / "c.toml").lr == 1.0


def test_all_mistakes_are_named_at_once_each_with_its_key(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('epochs = 0\nbatch_size = "many"\nwarmup = 1.0\nlearning_rate = 1\nlr = inf\n', encoding="utf-8")
    with pytest.raises(UserError) as caught:
        configs.read(file)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"6 mistake(s) in the settings of {file}:"
    named = {line.strip().split(":")[0]: line for line in lines[1:]}
    assert named.keys() == {"lang", "epochs", "batch_size", "warmup", "learning_rate", "lr"}
    # A key that there is not comes with those that there are.
    assert "projection_lr" in named["learning_rate"]
    assert "greater than or equal to 1" in named["epochs"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 1.5),
        ("epochs", True),
        ("seed", -1),
        ("lr", 0),
        ("lr", float("nan")),
        ("device", "tpu"),
        ("lang", ""),
        ("lang", "sw+"),
        ("lang", "sw yo"),
        ("lang", "sw+sw"),
        ("bridge", "fr"),
        ("chunk_size", 0),
        ("always_freeze", 3),
        ("label_smoothing", 1.0),
        ("language_temperature", 0.5),
        ("vision_strategy", ""),
    ],
)
def test_a_wrong_value_is_refused(key: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"1 mistake\(s\) in the settings of the command line:\n  {key}: "):
        configs.make({"lang": "sw", key: value})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"c\.toml cannot be read: No such file"):
        configs.read(tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"strategy": "lora", "seed": 3}, "sw-lora-s3"),
        ({"text": "/own/model", "vision": "deit-base"}, "sw-layernorm-_own_model-deit-base-s0"),
        ({"vision_strategy": "frozen"}, "sw-layernorm-s0"),
        ({"vision_strategy": "bitfit"}, "sw-layernorm_bitfit-s0"),
        ({"lang": "sw+yo", "strategy": "lora:rank=4+bitfit"}, "sw+yo-lora_rank_4+bitfit-s0"),
        ({"objective": "siglip", "bridge": "en", "trim_vocab": True}, "sw-layernorm-siglip-bridge-en-trimmed-s0"),
    ],
)
def test_default_names_tell_runs_apart_and_are_safe_as_folders(settings: dict[str, Any], name: str) -> None:
    assert RunConfig(**{"lang": "sw", **settings}).name == name


@pytest.mark.parametrize(
    ("vision", "method"), [(None, "full"), ("frozen", "full"), ("full", "full/full"), ("last-k:k=1", "full/last-k:k=1")]
)
def test_the_method_names_the_vision_tower_only_if_it_trains(vision: str | None, method: str) -> None:
    assert RunConfig(lang="sw", strategy="full", vision_strategy=vision).method == method


def test_data_folder_is_by_language_unless_named() -> None:
    assert RunConfig(lang="sw").data_folder("sw") == Path("data/sw")
    assert RunConfig(lang="sw", data="/elsewhere").data_folder("sw") == Path("/elsewhere")


def test_of_several_languages_each_has_a_folder_in_what_is_named() -> None:
    both = RunConfig(lang="sw+yo")
    assert both.languages == ["sw", "yo"]
    assert [both.data_folder(code) for code in both.languages] == [Path("data/sw"), Path("data/yo")]
    assert RunConfig(lang="sw+yo", data="/sets").data_folder("yo") == Path("/sets/yo")
