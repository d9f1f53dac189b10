"""Commands of a report, read by the command line itself."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from mlilt import config as configs
from mlilt.cli import compare as compare_command
from mlilt.cli import train as train_command
from mlilt.comparison import experiment as experiments
from mlilt.comparison import reproduce, results
from mlilt.comparison.study import Study
from mlilt.config import RunConfig
from mlilt.training.resolve import resolve

RANKS = [1, 3, 7, 20]


def parsed(module: Any, command: str) -> dict[str, Any]:
    """What the command line makes of a command, by parameter; what is not given is left out."""
    app = typer.Typer()
    app.command()(module.command)
    words = shlex.split(command, comments=True)
    assert words[:2] == ["mlilt", module.__name__.rpartition(".")[2]]
    context = typer.main.get_command(app).make_context("mlilt", words[2:])
    # Typer before 0.29 makes lists of its tuples no sooner than it calls the command.
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in context.params.items()}
    return {key: value for key, value in given.items() if value not in (None, False, [])}


def settings_of(command: str) -> RunConfig:
    found = {key: value for key, value in parsed(train_command, command).items() if key in RunConfig.model_fields}
    return resolve(configs.make({**found, "lang": "+".join(found["lang"])}))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"strategy": "full", "lr": 1e-4},
        {"strategy": "lilt-da"},
        {"strategy": "lora:rank=16+bitfit", "vision_strategy": "bitfit", "seed": 3},
        {"lang": "sw+yo", "language_temperature": 3.0, "always_freeze": [0, -1]},
        {"concepts": 50, "min_steps": 200, "held_out": ["animals", "Food & Drink"], "budget_s": 60.5},
        {"bridge": "en", "bridge_weight": 1.0, "trim_vocab": True, "data": "my data/sw", "epochs": 3},
    ],
)
def test_a_rows_command_gives_its_settings(write_run: Callable[..., Path], settings: dict[str, Any]) -> None:
    complete = {"lang": "sw", "device": "cpu", **settings}
    config = resolve(configs.make(complete))
    folder = write_run(dict.fromkeys(config.languages, RANKS), **config.outcome())
    group = results.group(results.read_run(folder))[0]
    assert settings_of(reproduce.train(group, group.rows[0])) == config


def test_all_seeds_of_a_row_are_in_one_line(write_run: Callable[..., Path]) -> None:
    folders = [write_run({"sw": RANKS}, seed=n) for n in (0, 2)]
    [group] = results.group([run for folder in folders for run in results.read_run(folder)])
    said = reproduce.train(group, group.rows[0])
    assert said.startswith("for seed in 0 2; do mlilt train --lang sw --strategy layernorm")
    assert said.endswith('--seed "$seed"; done')


def test_what_has_no_option_is_said_to_be_given_by_a_file(write_run: Callable[..., Path]) -> None:
    [group] = results.group(results.read_run(write_run({"sw": RANKS}, weight_decay=0.5, dim=64)))
    said = reproduce.train(group, group.rows[0])
    assert "--config settings.toml" in said
    assert said.endswith("# settings.toml: weight_decay = 0.5; dim = 64")


def test_all_other_settings_have_options() -> None:
    known = inspect.signature(train_command.command).parameters
    assert set(reproduce.NO_OPTION) == RunConfig.model_fields.keys() - known.keys()
    assert set(reproduce.COMPARE_OPTIONS) <= inspect.signature(compare_command.command).parameters.keys()


def test_the_comparisons_command_asks_for_the_same_experiment() -> None:
    settings = {"concepts": [50, 200], "epochs": 3, "vision": "efficientnet-lite1"}
    wanted = experiments.asked(None, ["sw", "yo"], ["layernorm/bitfit", "full"], 2, ["en"], settings)
    found = parsed(compare_command, reproduce.compare(Study([], experiment=wanted)))
    assert (found["lang"], found["strategy"], found["seeds"]) == (["sw", "yo"], ["layernorm/bitfit", "full"], 2)
    assert (found["ask"], found["concepts"], found["epochs"]) == (["en"], [50, 200], 3)
    assert found["vision"] == ["efficientnet-lite1"]


@pytest.mark.parametrize("name", experiments.names())
def test_a_named_experiment_needs_its_name_alone(name: str) -> None:
    found = experiments.find(name)
    assert reproduce.compare(Study([], experiment=found, base=found)) == f"mlilt compare {name}"


def test_what_the_command_line_changed_of_a_named_experiment_is_told() -> None:
    name = experiments.names()[0]
    base = experiments.find(name)
    wanted = experiments.asked(base, ["te"], [], 1, [], {"epochs": 2})
    said = reproduce.compare(Study([], experiment=wanted, base=base))
    assert parsed(compare_command, said) | {"runs": None} == {
        "experiment": name,
        "lang": ["te"],
        "seeds": 1,
        "epochs": 2,
        "runs": None,
    }


def test_without_an_experiment_all_runs_are_compared() -> None:
    assert reproduce.compare(Study([])) == "mlilt compare"


def test_a_file_of_ones_own_is_named_by_its_path_with_what_was_changed_of_it(tmp_path: Path) -> None:
    file = tmp_path / "my own" / "mine.toml"
    file.parent.mkdir()
    file.write_text('title = "t"\nlanguages = ["sw", "yo"]\nstrategies = ["full"]\n', encoding="utf-8")
    base = experiments.find(str(file))
    # A comparison may take hours, and the file not be there any more.
    file.unlink()
    assert reproduce.compare(Study([], experiment=base, base=base)) == f"mlilt compare '{file}'"
    wanted = experiments.asked(base, ["te"], [], None, [], {"epochs": 2})
    said = reproduce.compare(Study([], experiment=wanted, base=base, against="runs/other one"))
    expected = {"experiment": str(file), "lang": ["te"], "epochs": 2, "against": "runs/other one"}
    assert parsed(compare_command, said).items() >= expected.items()
    assert "--strategy" not in said


def test_what_all_runs_were_held_against_is_told() -> None:
    assert reproduce.compare(Study([], against="sw-lora-s0")) == "mlilt compare --against sw-lora-s0"
