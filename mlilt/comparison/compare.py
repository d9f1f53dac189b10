"""One call from a question to a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UserError
from data_prep.languages import load_language
from mlilt import record
from mlilt.comparison import claims, grid, results, words
from mlilt.comparison import experiment as experiments
from mlilt.comparison.experiment import Experiment, Planned
from mlilt.comparison.grid import Failure, Placed
from mlilt.comparison.results import Group, Run
from mlilt.comparison.study import Study

OUT = Path("reports")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, and where the report is.

    Attributes:
        study: groups of comparable runs, what they are worth beyond their own test split, claims, failures.
        page: the report's HTML page; results.json, results.csv, report.md and the figures lie beside it.
    """

    study: Study
    page: Path

    @property
    def groups(self) -> list[Group]:
        """Comparable runs as evaluated on one language, with one row a method."""
        return self.study.groups

    @property
    def failures(self) -> list[Failure]:
        """Runs that could not be trained, assessed or read."""
        return self.study.failures


def compare(
    lang: str | Sequence[str] = (),
    strategy: str | Sequence[str] = (),
    seeds: int | None = None,
    runs: Path | str = "runs",
    out: Path | str | None = None,
    offline: bool = False,
    progress: bool = True,
    *,
    experiment: str | None = None,
    ask: str | Sequence[str] = (),
    against: Path | str | None = None,
    formats: Sequence[str] | None = None,
    jobs: int = 1,
    **settings: Any,
) -> Comparison:
    """Compares strategies with full-model training, and writes a report.

    Args:
        lang: languages, each with runs of its own; "sw+yo" stands for runs trained on both together. With none, of
            all runs there are.
        strategy: strategies of the text tower, presets, or TEXT/VISION for a strategy of each tower; among them "lit"
            or "clip" if they are to be held against full-model training. What is missing is trained first; with none,
            and no experiment, the runs that there are get compared.
        seeds: how many runs of each, with seeds 0, 1, ...; three by default.
        runs: folder with the runs.
        out: the report's folder; `reports`, or of an experiment the folder of its name therein, by default.
        offline: use only what is on this machine.
        progress: show progress bars.
        experiment: name of an experiment, or path of its file; the other arguments overrule it.
        ask: languages that each run is asked in, too.
        against: a finished run's folder, or its name in `runs`, whose method others are held against, instead of
            full-model training.
        formats: of the report, as in `mlilt.comparison.report.FORMATS`; all by default.
        jobs: so many runs train at a time on a CPU, each with its share of the cores.
        settings: any other of `mlilt.config.RunConfig`, such as epochs=20, for what is trained; with a list of
            values, such as concepts=[50, 100], each in turn. `data` is the language's data set, or, if other
            languages are concerned, what holds those of all.

    Raises:
        UserError: unknown names, nothing to compare, or not a single run could be trained.
    """
    if jobs < 1:
        raise UserError(f"--jobs must be 1 or more, not {jobs}.")
    runs, languages = Path(runs), set(_listed(lang))
    # What plots is loaded by a comparison alone, and searching does without it.
    from mlilt.comparison import report

    formats = tuple(report.FORMATS) if formats is None else formats
    # What is wrong should be told before hours of training.
    report.check(formats)
    base = experiments.find(experiment) if experiment is not None else None
    wanted = request(lang, strategy, seeds, base, ask, settings)
    reference = _reference(against, runs)
    planned = experiments.plan(wanted) if wanted else []
    if reference and wanted and not any(results.alike(reference[0].record.config, p.config) for p in planned):
        raise _unlike(against)
    failures: list[Failure] = []
    done: list[tuple[Planned, Path]] = []
    if wanted is None:
        found = _read(grid.finished(runs), failures)
        read = [run for run in found if not languages or {run.language, run.record.config.lang} & languages]
    else:
        done, failures = grid.train_missing(planned, runs, offline, progress, jobs)
        read = _read([folder for _, folder in done], failures)
    read += _beside(read, runs, reference, baselines=wanted is not None)
    if not read:
        raise _nothing(_listed(lang), runs, failures)
    if reference and not any(_comparable(reference, run) for run in read):
        raise _unlike(against)
    groups = results.group(read, reference[0] if reference else None)
    root = wanted.root if wanted else Path(settings.get("data", "data"))
    imagenet = Path(wanted.imagenet) if wanted and wanted.imagenet else None
    put = _to_assess(read, done, _listed(ask))
    measured, before, failed = grid.assess(put, root, offline, progress, imagenet)
    study = Study(
        groups, measured, before, wanted, failures=[*failures, *failed], base=base, against=str(against or "")
    )
    if wanted is not None:
        study = dataclasses.replace(study, claims=claims.judge_all(wanted.kinds(), study))
    folder = Path(out) if out is not None else OUT / (wanted.name if wanted else "")
    return Comparison(study, report.write(study, folder, formats))


def plan(
    lang: str | Sequence[str] = (),
    strategy: str | Sequence[str] = (),
    seeds: int | None = None,
    runs: Path | str = "runs",
    *,
    experiment: str | None = None,
    ask: str | Sequence[str] = (),
    **settings: Any,
) -> tuple[list[Placed], list[Failure]]:
    """What `compare` would train: all runs that are asked for with what is there of each, and what cannot be read.

    Arguments and errors as for `compare`.
    """
    base = experiments.find(experiment) if experiment is not None else None
    wanted = request(lang, strategy, seeds, base, ask, settings)
    if wanted is None:
        raise UserError("Nothing is to be trained: name an experiment, or strategies with --strategy.")
    return grid.survey(experiments.plan(wanted), Path(runs))


def request(
    lang: str | Sequence[str],
    strategy: str | Sequence[str],
    seeds: int | None,
    base: Experiment | None,
    ask: str | Sequence[str],
    settings: dict[str, Any],
) -> Experiment | None:
    """The experiment that arguments of `compare` ask for; None if nothing is to be trained.

    Raises:
        UserError: as `compare` does.
    """
    if seeds is not None and seeds < 1:
        raise UserError(f"--seeds must be 1 or more, not {seeds}.")
    languages, strategies = _listed(lang), _listed(strategy)
    if base is None and not strategies:
        given = [*settings, *(["seeds"] if seeds is not None else [])]
        # Where other languages' data is matters to runs that are there, too.
        if given := [key for key in given if key != "data" or not ask]:
            raise UserError(
                f"{', '.join(given)}: only for runs to be trained; name them with --strategy, or name an experiment."
            )
        return None
    if base is None and not languages:
        raise UserError("To train what is missing, name a language: --lang sw.")
    return experiments.asked(base, languages, strategies, seeds, _listed(ask), settings)


def _unlike(against: Path | str | None) -> UserError:
    return UserError(f"{against} differs from all that is compared in more than what trains. Name another run.")


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(dict.fromkeys(names))


def _read(folders: Sequence[Path], failures: list[Failure]) -> list[Run]:
    """Reads what can be read; the rest is added to the failures."""
    read = []
    for folder in folders:
        try:
            read += results.read_run(folder)
        except UserError as error:
            failures.append(Failure(folder.name, str(error)))
    return read


def _reference(against: Path | str | None, runs: Path) -> list[Run]:
    """The run to hold others against, in each language that it was evaluated on."""
    if against is None:
        return []
    return results.read_run(runs / against if (runs / against / record.RECORD).is_file() else Path(against))


def _comparable(reference: Sequence[Run], run: Run) -> bool:
    return results.setting_key(run) in {results.setting_key(each) for each in reference}


def _beside(read: Sequence[Run], runs: Path, reference: Sequence[Run], baselines: bool) -> list[Run]:
    """Runs that are there already to hold those against that were read: of the reference's method, and full-model ones.

    All are of the same settings as those that were read; full-model ones, of the fitting kind, are looked for where
    none was asked for.
    """
    there = {run.folder.resolve() for run in read}
    found: list[Run] = []
    if reference:
        others = _read(grid.finished(reference[0].folder.parent), [])
        keys = {results.setting_key(run) for run in read}
        like = [run for run in others if run.method == reference[0].method and results.setting_key(run) in keys]
        found += [run for run in like if run.folder.resolve() not in there]
    if baselines and read and not any(run.method.towers in (results.LIT, results.CLIP) for run in read):
        there |= {run.folder.resolve() for run in found}
        found += _baselines(read, [folder for folder in grid.finished(runs) if folder.resolve() not in there])
    return found


def _baselines(read: Sequence[Run], folders: Sequence[Path]) -> list[Run]:
    there: dict[str, dict[results.Towers, list[Run]]] = {}
    for run in _read(folders, []):
        if run.method.towers in (results.LIT, results.CLIP):
            there.setdefault(results.setting_key(run), {}).setdefault(run.method.towers, []).append(run)
    asked = ((results.setting_key(run), run.method.towers) for run in read)
    fitting = dict.fromkeys((key, results.baseline(towers, there.get(key, {}))) for key, towers in asked)
    return [run for key, kind in fitting if kind for run in there[key][kind]]


def _to_assess(
    read: Sequence[Run], done: Sequence[tuple[Planned, Path]], ask: Sequence[str]
) -> list[tuple[Planned, Path]]:
    """All runs that were read, each with what it is put to: what was planned, or what any run was."""
    planned = {folder: each for each, folder in done}
    asks = dict.fromkeys(code for each, _ in done for code in each.ask)
    tests = dict.fromkeys(name for each, _ in done for name in each.tests)
    others = (tuple(asks), tuple(tests)) if done else (tuple(ask), experiments.ASKED_BY_DEFAULT if ask else ())
    configs = {run.folder: run.record.config for run in read}
    return [(planned.get(folder, Planned(config, *others)), folder) for folder, config in configs.items()]


def _nothing(languages: Sequence[str], runs: Path, failures: Sequence[Failure]) -> UserError:
    for name in languages:
        for code in name.split("+"):
            load_language(code)
    said = "".join(f"\n  {named}: {reason}" for named, reason in words.failures(failures))
    return UserError(f"There is no finished run of {', '.join(languages) or 'any language'} in {runs}.{said}")
