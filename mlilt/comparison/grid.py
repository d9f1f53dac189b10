"""The runs a comparison asks for, and training those that are missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UserError
from mlilt import config as configs
from mlilt import data, record
from mlilt.comparison import worker
from mlilt.config import RunConfig
from mlilt.training import corpus, folders
from mlilt.training.resolve import resolve


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that could not be trained or read, and why."""

    run: str
    reason: str


def strategies_of(name: str) -> dict[str, str]:
    """The settings that the name of a method stands for: a preset's, a strategy's, or TEXT/VISION, one a tower."""
    text, slash, vision = name.partition("/")
    return {"strategy": text, **({"vision_strategy": vision} if slash else {})}


def expand(languages: Sequence[str], names: Sequence[str], seeds: int, settings: Mapping[str, Any]) -> list[RunConfig]:
    """Settings of all runs of a grid: languages x strategies x seeds, all else equal; each once, however named.

    Args:
        languages: codes; several of one run are joined by "+".
        names: strategies, presets, or TEXT/VISION.
        seeds: how many of each.
        settings: any others.

    Raises:
        UserError: an unknown strategy, a language that is not prepared, or mistakes in the settings.
    """
    grid: list[RunConfig] = []
    for lang in languages:
        for seed in range(seeds):
            for name in names:
                asked = {**settings, "lang": lang, **strategies_of(name), "seed": seed}
                config = resolve(configs.make(asked, "the comparison"))
                if config not in grid:
                    grid.append(config)
    for folder, code in dict.fromkeys((c.data_folder(code), code) for c in grid for code in c.languages):
        data.manifest(folder, code)
    return grid


def place(config: RunConfig, data_sha256: str, runs: Path) -> Path:
    """The folder of a run: its name, with a digest of settings and data where that name is taken by others."""
    folder = runs / config.name
    taken = (folder / record.CONFIG).is_file() and configs.read(folder / record.CONFIG) != config
    if not taken and (folder / record.RECORD).is_file():
        taken = record.read(folder).data_sha256 != data_sha256
    if not taken:
        return folder
    about = json.dumps([config.outcome(), data_sha256], sort_keys=True)
    return runs / f"{config.name}-{hashlib.sha256(about.encode()).hexdigest()[:6]}"


def train_missing(
    grid: Sequence[RunConfig], runs: Path, offline: bool, progress: bool
) -> tuple[list[Path], list[Failure]]:
    """Trains what of a grid is not finished yet; one failure does not stop the rest.

    Each run has a process of its own: its peak memory is its own, and one that is killed for its memory takes
    no other with it.

    Returns:
        The folders of the finished runs, and what failed.
    """
    done: list[Path] = []
    failed: list[Failure] = []
    for config in grid:
        try:
            digest = corpus.digest(config)
            folder = place(config, digest, runs)
            if folders.existing(folder, config, digest, resume=True, force=False) is None:
                worker.train_alone(config, folder, offline, progress)
            done.append(folder)
        except UserError as error:
            failed.append(Failure(config.name, str(error)))
    return done, failed


def finished(runs: Path) -> list[Path]:
    """Folders below `runs` that hold a finished run, sorted.

    Raises:
        UserError: there is none.
    """
    found = sorted(path.parent for path in runs.glob(f"*/{record.RECORD}"))
    if not found:
        raise UserError(
            f"There is no finished run in {runs}. Train one with `mlilt train --lang sw --strategy layernorm`, or let "
            "`mlilt compare --lang sw --strategy layernorm --strategy full` train both."
        )
    return found
