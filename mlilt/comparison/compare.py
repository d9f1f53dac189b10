"""One call from a question to a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UserError
from data_prep.languages import load_language
from mlilt.comparison import grid, report, results
from mlilt.comparison.grid import Failure
from mlilt.comparison.results import Group


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, and where the report is.

    Attributes:
        groups: comparable runs, with one row a strategy.
        failures: runs that could not be trained or read.
        page: the report's HTML page; results.json, results.csv and report.md lie beside it.
    """

    groups: list[Group]
    failures: list[Failure]
    page: Path


def compare(
    lang: str | Sequence[str] = (),
    strategy: str | Sequence[str] = (),
    seeds: int | None = None,
    runs: Path | str = "runs",
    out: Path | str = "reports",
    offline: bool = False,
    progress: bool = True,
    **settings: Any,
) -> Comparison:
    """Compares strategies with full-model training, and writes a report.

    Args:
        lang: languages; with none, of all runs there are.
        strategy: strategies, "full" among them if they are to be held against full-model training. What is missing
            is trained first; with none, the runs that there are get compared.
        seeds: how many runs of each strategy, with seeds 0, 1, ...; one by default.
        runs: folder with the runs.
        out: the report's folder.
        offline: use only what is on this machine.
        progress: show progress bars.
        settings: any other of `mlilt.config.RunConfig`, such as epochs=20, for what is trained.

    Raises:
        UserError: unknown names, nothing to compare, or not a single run could be trained.
    """
    runs = Path(runs)
    languages, strategies = _listed(lang), _listed(strategy)
    failures: list[Failure] = []
    if strategies:
        if not languages:
            raise UserError("To train what is missing, name a language: --lang sw.")
        if seeds is not None and seeds < 1:
            raise UserError(f"--seeds must be 1 or more, not {seeds}.")
        wanted = grid.expand(languages, strategies, seeds or 1, settings)
        folders, failures = grid.train_missing(wanted, runs, offline, progress)
    else:
        given = [*settings, *(["seeds"] if seeds is not None else [])]
        if given:
            raise UserError(f"{', '.join(given)}: only for runs to be trained; name them with --strategy.")
        folders = grid.finished(runs)
    read = _read(folders, failures)
    if read and strategies and results.BASELINE not in strategies:
        read += _baselines(read, runs, folders)
    chosen = [run for run in read if not languages or run.record.config.lang in languages]
    if not chosen:
        for code in languages:
            load_language(code)
        said = "".join(f"\n  {failure.run}: {failure.reason}" for failure in failures)
        raise UserError(f"There is no finished run of {', '.join(languages) or 'any language'} in {runs}.{said}")
    groups = results.group(chosen)
    return Comparison(groups, failures, report.write(groups, failures, Path(out)))


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(dict.fromkeys(names))


def _read(folders: Sequence[Path], failures: list[Failure]) -> list[results.Run]:
    """Reads what can be read; the rest is added to the failures."""
    read = []
    for folder in folders:
        try:
            read.append(results.read_run(folder))
        except UserError as error:
            failures.append(Failure(folder.name, str(error)))
    return read


def _baselines(read: Sequence[results.Run], runs: Path, known: Sequence[Path]) -> list[results.Run]:
    """Full-model runs that are there already, of the same settings as those that were read."""
    settings = {results.setting_key(run.record) for run in read}
    others = [folder for folder in grid.finished(runs) if folder not in known]
    return [
        run
        for run in _read(others, [])
        if run.record.config.strategy == results.BASELINE and results.setting_key(run.record) in settings
    ]
