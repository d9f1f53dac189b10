"""The commands that make a comparison again, and what tells whether it is the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from mlilt import strategies
from mlilt.comparison.experiment import Experiment
from mlilt.comparison.results import Group, Row
from mlilt.comparison.study import Study
from mlilt.config import FROZEN, RunConfig

# Settings that `mlilt train` has no option for: a file gives them.
NO_OPTION = (
    "pictures_per_caption",
    "projection_lr",
    "weight_decay",
    "adam_epsilon",
    "warmup",
    "dim",
    "projection_init",
    "temperature",
    "keyword_share",
)
# Settings that `mlilt compare` has an option for.
COMPARE_OPTIONS = (
    "data",
    "text",
    "vision",
    "concepts",
    "epochs",
    "min_steps",
    "budget_s",
    "batch_size",
    "device",
    "precision",
)
# What it calls an experiment's own keys.
_ASKED = ("lang", "strategy", "seeds", "ask")
# What does not change the outcome, or is spelled in a way of its own.
_LEFT_OUT = ("lang", "seed", "chunk_size", "compile", "activation_checkpointing")
_NAMES = {"budget_s": "--budget"}


def option(key: str) -> str:
    """The option of `mlilt train` for a setting."""
    return _NAMES.get(key, "--" + key.replace("_", "-"))


def prepare(study: Study) -> list[str]:
    """What makes the data sets: those trained on, and those that runs were asked in."""
    asked = [on for test in ("retrieval", "zero-shot") for on in _things(study, test)]
    trained = [code for group in study.groups for code in group.trained_on]
    return [f"mlilt prep --lang {code}" for code in dict.fromkeys([*trained, *sorted(asked)])]


def _things(study: Study, test: str) -> list[str]:
    return study.things(test, "text_to_image" if test == "retrieval" else "")


def compare(study: Study) -> str:
    """What trains all that is missing, assesses it and writes the report."""
    against = _each("--against", [study.against] if study.against else [])
    wanted = study.experiment
    if wanted is None:
        return " ".join(["mlilt compare", *against])
    called = wanted.file or wanted.name
    known = _flags(study.base) if study.base else {}
    given = {key: flags for key, flags in _flags(wanted).items() if flags != known.get(key)}
    if not given.keys() <= {*_ASKED, *COMPARE_OPTIONS}:
        # No command asks for such settings: the runs are trained one by one.
        return " ".join(["mlilt compare", *against])
    name = [shlex.quote(called)] if called else []
    return " ".join(["mlilt compare", *name, *(flag for flags in given.values() for flag in flags), *against])


def _flags(wanted: Experiment) -> dict[str, list[str]]:
    """An experiment's own keys and settings, each as options of `mlilt compare`."""
    axes = {key: values for table in wanted.grid for key, values in table.axes.items()}
    own: tuple[Sequence[object], ...] = (wanted.languages, wanted.strategies, [wanted.seeds], wanted.ask)
    return {
        **{key: _each(f"--{key}", values) for key, values in zip(_ASKED, own, strict=True) if values},
        **{key: _options(key, value) for key, value in wanted.settings.items()},
        **{key: [flag for value in values for flag in _options(key, value)] for key, values in axes.items()},
    }


def train(group: Group, row: Row) -> str:
    """What trains a row's runs one by one: what differs from the defaults, and what `auto` came to."""
    config = group.members(row)[0].record.config
    parts = ["mlilt train", *_each("--lang", config.languages)]
    by_file = {}
    for key, value in config.outcome().items():
        default = _default(key, config)
        if key in _LEFT_OUT or value == default:
            continue
        if key in NO_OPTION:
            by_file[key] = value
        else:
            parts += _options(key, value)
    if by_file:
        parts.append("--config settings.toml")
    command = " ".join(parts)
    command = (
        f"{command} --seed {row.seeds[0]}"
        if len(row.seeds) == 1
        else f'for seed in {" ".join(map(str, row.seeds))}; do {command} --seed "$seed"; done'
    )
    told = "; ".join(f"{key} = {json.dumps(value)}" for key, value in by_file.items())
    return f"{command}  # settings.toml: {told}" if told else command


def _default(key: str, config: RunConfig) -> Any:
    if key == "lr":
        return strategies.load(config.strategy).learning_rate
    if key == "vision_lr":
        return strategies.load(config.vision_strategy or FROZEN).learning_rate
    if key == "vision_strategy":
        return FROZEN
    if key == "strategy":
        # Named always: it is what is compared.
        return None
    return RunConfig.model_fields[key].default


def _options(key: str, value: Any) -> list[str]:
    if value is True:
        return [option(key)]
    return _each(option(key), value if isinstance(value, list) else [value])


def _each(name: str, values: Iterable[object]) -> list[str]:
    return [f"{name} {shlex.quote(str(value))}" for value in values]


def versions(study: Study) -> dict[str, str]:
    """Of the packages that the runs used; several are told where they differ."""
    found: dict[str, dict[str, None]] = {}
    for group in study.groups:
        for run in group.runs:
            for name, version in run.record.versions.items():
                found.setdefault(name, {})[version] = None
    return {name: " / ".join(there) for name, there in found.items()}


def machines(study: Study) -> list[str]:
    """The machines that the runs trained on."""
    return list(dict.fromkeys(_machine(run.record.machine) for group in study.groups for run in group.runs))


def _machine(about: dict[str, Any]) -> str:
    return ", ".join(
        said.format(about[key])
        for key, said in (
            ("cpu", "{}"),
            ("cores", "cores: {}"),
            ("threads", "threads: {}"),
            ("memory_gb", "{} GB of memory"),
            ("gpu", "{}"),
            ("system", "{}"),
        )
        if about.get(key) is not None
    )


def digests(study: Study) -> list[tuple[str, str, str]]:
    """(what, name, SHA-256) of the data sets, the towers and each run's weights."""
    runs = [run for group in study.groups for run in group.runs]
    data = [("data", run.record.config.lang, run.record.data_sha256) for run in runs]
    towers = [(kind, t.name, t.sha256) for run in runs for kind, t in _towers(run.record)]
    weights = [("weights", run.folder.name, run.record.weights_sha256) for run in runs]
    return list(dict.fromkeys([*data, *towers, *weights]))


def _towers(about: Any) -> Sequence[tuple[str, Any]]:
    return ("text tower", about.text), ("vision tower", about.vision)
