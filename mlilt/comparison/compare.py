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
        groups: comparable runs as evaluated on one language, with one row a method.
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
        lang: languages, each with runs of its own; "sw+yo" stands for runs trained on both together. With none, of
            all runs there are.
        strategy: strategies of the text tower, presets, or TEXT/VISION for a strategy of each tower; among them "lit"
            or "clip" if they are to be held against full-model training. What is missing is trained first; with none,
            the runs that there are get compared.
        seeds: how many runs of each, with seeds 0, 1, ...; one by default.
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
    if read and strategies and not any(run.method.towers in (results.LIT, results.CLIP) for run in read):
        read += _baselines(read, runs, folders)
    chosen = [run for run in read if not languages or {run.language, run.record.config.lang} & set(languages)]
    if not chosen:
        for lang_name in languages:
            for code in lang_name.split("+"):
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
            read += results.read_run(folder)
        except UserError as error:
            failures.append(Failure(folder.name, str(error)))
    return read


def _baselines(read: Sequence[results.Run], runs: Path, known: Sequence[Path]) -> list[results.Run]:
    """Full-model runs that are there already, of the same settings as those that were read and of the fitting kind."""
    there: dict[str, dict[results.Towers, list[results.Run]]] = {}
    for run in _read([folder for folder in grid.finished(runs) if folder not in known], []):
        if run.method.towers in (results.LIT, results.CLIP):
            there.setdefault(results.setting_key(run), {}).setdefault(run.method.towers, []).append(run)
    asked = ((results.setting_key(run), run.method.towers) for run in read)
    fitting = dict.fromkeys((key, results.baseline(towers, there.get(key, {}))) for key, towers in asked)
    return [run for key, kind in fitting if kind for run in there[key][kind]]
