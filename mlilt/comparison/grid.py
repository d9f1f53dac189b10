"""The runs of a comparison on disk: where each goes, which are there, and training and assessing those that are not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from data_prep.errors import UserError
from mlilt import assessment, record
from mlilt import config as configs
from mlilt.assessment import Measured
from mlilt.comparison.worker import Worker
from mlilt.config import RunConfig
from mlilt.record import RunRecord
from mlilt.training import corpus, folders

if TYPE_CHECKING:
    from mlilt.comparison.experiment import Planned


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that could not be trained, assessed or read, and why."""

    run: str
    reason: str


class Placed(NamedTuple):
    """A planned run, its folder, and what is there."""

    planned: Planned
    folder: Path
    state: Literal["finished", "begun", "missing"]


def place(config: RunConfig, data_sha256: str, runs: Path, others: Sequence[Path] = ()) -> Path:
    """The folder of a run: its name, with a digest of settings and data where that name is taken by others.

    Args:
        config: its settings, which leave nothing open.
        data_sha256: of its data.
        runs: the folder with all runs.
        others: folders that are taken, whether they are there yet or not.
    """
    folder = runs / config.name
    taken = folder in others
    try:
        if not taken and (folder / record.CONFIG).is_file():
            taken = configs.read(folder / record.CONFIG) != config
        if not taken and (folder / record.RECORD).is_file():
            taken = record.read(folder).data_sha256 != data_sha256
    except UserError:
        # Damaged, or of another version: left to its owner.
        taken = True
    if not taken:
        return folder
    about = json.dumps([config.outcome(), data_sha256], sort_keys=True)
    return runs / f"{config.name}-{hashlib.sha256(about.encode()).hexdigest()[:6]}"


def survey(wanted: Sequence[Planned], runs: Path) -> tuple[list[Placed], list[Failure]]:
    """Where runs go, and what is there of them; trains nothing.

    Returns:
        The runs, and those whose folder or data cannot be read.
    """
    found: list[Placed] = []
    failed: list[Failure] = []
    for planned in wanted:
        config = planned.config
        try:
            digest = corpus.digest(config)
            folder = place(config, digest, runs, [placed.folder for placed in found])
            done = folders.existing(folder, config, digest, resume=True, force=False) is not None
        except UserError as error:
            failed.append(Failure(config.name, str(error)))
            continue
        begun = (folder / record.CHECKPOINT).is_file()
        found.append(Placed(planned, folder, "finished" if done else "begun" if begun else "missing"))
    return found, failed


def train_missing(
    wanted: Sequence[Planned], runs: Path, offline: bool, progress: bool
) -> tuple[list[tuple[Planned, Path]], list[Failure]]:
    """Trains what is not finished yet; one failure does not stop the rest.

    Each run has a process of its own: its peak memory is its own, and one that is killed for its memory takes
    no other with it.

    Returns:
        The finished runs with their folders, and what failed.
    """
    done: list[tuple[Planned, Path]] = []
    found, failed = survey(wanted, runs)
    with Worker(offline, progress) as worker:
        for planned, folder, state in found:
            try:
                if state != "finished":
                    worker.train(planned.config, folder)
                done.append((planned, folder))
            except UserError as error:
                failed.append(Failure(folder.name, str(error)))
    return done, failed


def assess(
    done: Sequence[tuple[Planned, Path]], root: Path, offline: bool, progress: bool, imagenet: Path | None = None
) -> tuple[dict[Path, list[Measured]], dict[str, list[Measured]], list[Failure]]:
    """Puts finished runs to their tests, and the towers that they started from; what was measured before is read.

    Args:
        done: runs with their folders.
        root: the folder that holds the data sets of the languages to ask in.
        offline: use only what is on this machine.
        progress: show progress bars.
        imagenet: the folder with Babel-ImageNet's names and templates, for the test of that name.

    Returns:
        What was measured by run, and before training by `towers_key`; and what failed.
    """
    from mlilt.comparison.study import towers_key

    measured: dict[Path, list[Measured]] = {}
    started: dict[tuple[str, str], list[tuple[Planned, RunRecord]]] = {}
    before: dict[str, list[Measured]] = {}
    failed: list[Failure] = []
    for planned, folder in done:
        if not planned.tests:
            continue
        try:
            # A trimmed vocabulary knows the words of its own languages alone.
            ask = () if planned.config.trim_vocab else planned.ask
            measured[folder] = assessment.assess(folder, ask, root, planned.tests, offline, progress, imagenet)
            about = record.read(folder)
            started.setdefault((towers_key(about), about.config.lang), []).append((planned, about))
        # One failure must not stop the rest, whatever it is.
        except Exception as error:
            failed.append(Failure(folder.name, f"Not assessed: {_said(error)}"))
    for (key, _), members in started.items():
        # What any run of these towers on these languages is put to.
        about = members[0][1]
        asked = [code for planned, _ in members for code in planned.ask]
        tests = [name for planned, _ in members for name in planned.tests]
        try:
            found = assessment.before(about, _once(asked), root, _once(tests), offline, progress)
            there = {(m.test, m.on, m.part) for m in before.setdefault(key, [])}
            before[key] += [m for m in found if (m.test, m.on, m.part) not in there]
        except Exception as error:
            failed.append(Failure(f"towers of {about.name}", f"Not assessed before training: {_said(error)}"))
    return measured, before, failed


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _once(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


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
