"""The runs of a comparison on disk: where each goes, which are there, and training and assessing those that are not."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Literal, NamedTuple

from data_prep import workers
from data_prep.errors import UserError
from data_prep.progress import bar
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
    wanted: Sequence[Planned], runs: Path, offline: bool, progress: bool, jobs: int = 1
) -> tuple[list[tuple[Planned, Path]], list[Failure]]:
    """Trains what is not finished yet; one failure does not stop the rest.

    Each run has a process of its own: its peak memory is its own, and one that is killed for its memory takes
    no other with it.

    Args:
        wanted: the runs.
        runs: the folder that holds theirs.
        offline: use only what is on this machine.
        progress: show progress bars.
        jobs: so many train at a time, each with its share of the cores.

    Returns:
        The finished runs with their folders, and what failed.

    Raises:
        UserError: several at a time are asked for where a GPU trains.
    """
    found, failed = survey(wanted, runs)
    missing = [each for each in found if each.state != "finished"]
    if jobs > 1 and any(each.planned.config.device != "cpu" for each in missing):
        raise UserError(f"--jobs {jobs} shares out the cores of a CPU. Leave it out where a GPU trains.")
    reasons = _train_some(missing, offline, progress, jobs) if jobs > 1 else _train_each(missing, offline, progress)
    failed += [Failure(folder.name, reasons[folder]) for _, folder, _ in found if folder in reasons]
    return [(planned, folder) for planned, folder, _ in found if folder not in reasons], failed


def _train_each(missing: Sequence[Placed], offline: bool, progress: bool) -> dict[Path, str]:
    """Trains one run after the other; why some could not be trained."""
    reasons = {}
    with Worker(offline, progress) as worker:
        for planned, folder, _ in missing:
            try:
                worker.train(planned.config, folder)
            except UserError as error:
                reasons[folder] = str(error)
    return reasons


def _train_some(missing: Sequence[Placed], offline: bool, progress: bool, jobs: int) -> dict[Path, str]:
    """Trains `jobs` runs at a time: small models leave cores idle that a second run can use."""
    reasons: dict[Path, str] = {}
    threads = max(1, workers.cores() // jobs)
    with contextlib.ExitStack() as stack:
        pool = ThreadPoolExecutor(jobs)
        stack.callback(pool.shutdown)
        # Left in the other order: no run is begun any more, workers end, then their threads do.
        idle: Queue[Worker] = Queue()
        for _ in range(jobs):
            idle.put(stack.enter_context(Worker(offline, False, threads)))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)

        def train(each: Placed) -> None:
            worker = idle.get()
            try:
                worker.train(each.planned.config, each.folder)
            except UserError as error:
                reasons[each.folder] = str(error)
            finally:
                idle.put(worker)

        with bar("Training", len(missing), unit="runs", show=progress) as running:
            for future in as_completed([pool.submit(train, each) for each in missing]):
                future.result()
                running.advance()
    return reasons


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
