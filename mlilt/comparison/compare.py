"""One call from a question to a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UserError
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
    strategy: Sequence[str] = (),
    seeds: int = 1,
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
        seeds: how many runs of each, with seeds 0, 1, ...
        runs: folder with the runs.
        out: the report's folder.
        offline: use only what is on this machine.
        progress: show progress bars.
        settings: any other of `mlilt.config.RunConfig`, such as epochs=20, for what is trained.

    Raises:
        UserError: unknown names, nothing to compare, or not a single run could be trained.
    """
    runs = Path(runs)
    languages = [lang] if isinstance(lang, str) else list(lang)
    failures: list[Failure] = []
    if strategy:
        if not languages:
            raise UserError("To train what is missing, name a language: --lang sw.")
        if seeds < 1:
            raise UserError(f"--seeds must be 1 or more, not {seeds}.")
        wanted = grid.expand(languages, list(dict.fromkeys(strategy)), seeds, settings)
        folders, failures = grid.train_missing(wanted, runs, offline, progress)
    else:
        if settings:
            raise UserError(f"{', '.join(settings)}: only for runs to be trained; name them with --strategy.")
        folders = grid.finished(runs)
    read: list[results.Run] = []
    for folder in folders:
        try:
            read.append(results.read_run(folder))
        except UserError as error:
            failures.append(Failure(folder.name, str(error)))
    chosen = [run for run in read if not languages or run.record.config.lang in languages]
    if not chosen:
        said = "".join(f"\n  {failure.run}: {failure.reason}" for failure in failures)
        raise UserError(f"There is no finished run of {', '.join(languages) or 'any language'} in {runs}.{said}")
    groups = results.group(chosen)
    return Comparison(groups, failures, report.write(groups, failures, Path(out)))
