"""Experiments: what is compared, and the claims that are held against it; named ones are one TOML each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from data_prep import toml
from data_prep.errors import UnknownNameError, UserError
from data_prep.languages import load_language
from mlilt import assessment, data
from mlilt import config as configurations
from mlilt.config import RunConfig
from mlilt.training.resolve import resolve

# An installed package has the files within; a checkout has them at its root.
_FOLDERS = (Path(__file__).resolve().parent / "experiments", Path(__file__).resolve().parents[2] / "experiments")
# In place of a value: leaves the setting out, as TOML has no null.
DEFAULT = "default"
# What runs are put to that are asked in other languages, if nothing is said.
ASKED_BY_DEFAULT = ("retrieval",)
# Settings that an experiment gives by keys of its own.
_OWN = {
    "lang": "languages",
    "strategy": "strategies",
    "vision_strategy": "strategies, as TEXT/VISION",
    "seed": "seeds",
}
# Settings that are lists themselves, so that a list is one value of them.
LISTS = ("always_freeze", "vision_always_freeze", "held_out")

_T = TypeVar("_T")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Table(BaseModel):
    """Axes of a grid: settings with a list of values each; all combinations are trained.

    `languages`, `strategies`, `ask` and `tests` stand in for the experiment's.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    __pydantic_extra__: dict[str, list[Any]]

    languages: list[str] | None = Field(default=None, min_length=1)
    strategies: list[str] | None = Field(default=None, min_length=1)
    ask: list[str] | None = None
    tests: list[str] | None = None

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The values of each setting."""
        return self.__pydantic_extra__

    @model_validator(mode="after")
    def _check(self) -> Table:
        mistakes = _wrong_keys(self.axes)
        for key, values in self.axes.items():
            if not values:
                mistakes.append(f"{key}: has no values")
            mistakes += [wrong for value in values if value != DEFAULT for wrong in _wrong_values({key: value})]
        mistakes += [*_wrong_languages([*(self.languages or []), *(self.ask or [])])]
        mistakes += [*_wrong_strategies(self.strategies or []), *_wrong_tests(self.tests or [])]
        return _refused(self, mistakes)


class PaperResult(_Part):
    """A number of the paper, to be shown beside the result."""

    strategy: str = Field(min_length=1, description="as --strategy takes it")
    figure: str = Field(min_length=1, description="what was measured, as the report calls it")
    value: float
    where: str = Field(min_length=1, description="table or section of the paper")


class Experiment(_Part):
    """See the module's docstring. Settings that are not given are `mlilt train`'s defaults."""

    name: str = Field(default="", description="the file's, without .toml; empty for what the command line asks")
    file: str = Field(default="", description="its path, as given; empty for what comes with mlilt")
    title: str = Field(min_length=1, description="in a few words")
    claim: str = Field(default="", description="what the paper says")
    paper: str = Field(default="", description="where it says so")
    languages: list[str] = Field(min_length=1, description="each with runs of its own; sw+yo: trained together")
    strategies: list[str] = Field(min_length=1, description="strategies, presets, or TEXT/VISION")
    seeds: int = Field(default=3, ge=1, description="runs of each, with seeds 0, 1, ...")
    ask: list[str] = Field(default=[], description="languages that each run is asked in after training")
    tests: list[str] = Field(default=[], description="what each run is put to, as named in mlilt/assessment")
    imagenet: str = Field(default="", description="the folder with Babel-ImageNet's files, for the test imagenet")
    settings: dict[str, Any] = Field(default={}, description="of all runs, as in mlilt.config.RunConfig")
    grid: list[Table] = Field(default=[], description="axes; the runs of all tables are trained")
    claims: list[dict[str, Any]] = Field(default=[], description="each with its kind and that kind's options")
    paper_results: list[PaperResult] = Field(default=[], description="numbers of the paper")

    @field_validator("languages", "ask")
    @classmethod
    def _languages(cls, names: list[str]) -> list[str]:
        return _refused(names, _wrong_languages(names))

    @field_validator("strategies")
    @classmethod
    def _strategies(cls, names: list[str]) -> list[str]:
        return _refused(names, _wrong_strategies(names))

    @field_validator("tests")
    @classmethod
    def _tests(cls, names: list[str]) -> list[str]:
        return _refused(names, _wrong_tests(names))

    @field_validator("settings")
    @classmethod
    def _settings(cls, settings: dict[str, Any]) -> dict[str, Any]:
        return _refused(settings, [*_wrong_keys(settings), *_wrong_values(settings)])

    @field_validator("claims")
    @classmethod
    def _claims(cls, claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _refused(claims, list(_wrong_claims(claims)))

    @model_validator(mode="after")
    def _imagenet(self) -> Experiment:
        asked = {*self.tests, *(name for table in self.grid for name in table.tests or [])}
        wanted = "imagenet" in asked and not self.imagenet
        return _refused(self, ["the test imagenet needs Babel-ImageNet's files: imagenet = FOLDER"] if wanted else [])

    @property
    def tables(self) -> list[Table]:
        """The grid's, or one without axes."""
        return self.grid or [Table.model_validate({})]

    def kinds(self) -> list[tuple[str, dict[str, Any]]]:
        """The claims, each by kind and options."""
        return [_claim(claim) for claim in self.claims]

    def concerned(self) -> list[str]:
        """All languages that are trained or asked, each once."""
        named = itertools.chain(
            self.languages,
            self.ask,
            *(itertools.chain(table.languages or [], table.ask or []) for table in self.grid),
        )
        return list(dict.fromkeys(code for name in named for code in name.split("+")))

    @property
    def root(self) -> Path:
        """The folder that holds the data sets of all languages."""
        return Path(self.settings.get("data") or "data")


class Planned(NamedTuple):
    """A run that an experiment asks for, with the languages it is asked in and the tests it is put to thereafter."""

    config: RunConfig
    ask: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


def _refused(value: _T, mistakes: Sequence[str]) -> _T:
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return value


def _wrong_keys(settings: Mapping[str, Any]) -> list[str]:
    said = [f"{key}: is given by {_OWN[key]}" for key in settings if key in _OWN]
    unknown = [key for key in settings if key not in RunConfig.model_fields]
    return said + [str(UnknownNameError("setting", key, RunConfig.model_fields)) for key in unknown]


def _wrong_values(settings: Mapping[str, Any]) -> list[str]:
    known = {key: value for key, value in settings.items() if key in RunConfig.model_fields and key not in _OWN}
    return _invalid({"lang": "en", **known})


def _invalid(settings: Mapping[str, Any]) -> list[str]:
    try:
        RunConfig.model_validate(dict(settings))
    except ValidationError as error:
        return [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, not {e['input']!r}" for e in error.errors()]
    return []


def _wrong_languages(names: Sequence[str]) -> list[str]:
    codes = dict.fromkeys(code for name in names for code in name.split("+") if code)
    shaped = [f"{name!r} is no language: {wrong}" for name in names for wrong in _invalid({"lang": name})]
    return shaped + _failing(load_language, codes)


def _wrong_strategies(names: Sequence[str]) -> list[str]:
    return _failing(lambda name: resolve(configurations.make({"lang": "en", **strategies_of(name)})), names)


def _wrong_tests(names: Sequence[str]) -> list[str]:
    known = assessment.names()
    return [str(UnknownNameError("test", name, known)) for name in names if name not in known]


def _wrong_claims(claims: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    from mlilt.comparison.claims import load

    for claim in claims:
        if not isinstance(claim.get("kind"), str):
            yield "a claim has no kind"
            continue
        yield from _failing(lambda pair: load(*pair), [_claim(claim)])


def _claim(claim: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return claim["kind"], {key: value for key, value in claim.items() if key != "kind"}


def _failing(look: Any, things: Iterable[Any]) -> list[str]:
    """What is said of those of the things that cannot be looked up."""
    said = []
    for thing in things:
        try:
            look(thing)
        except UserError as error:
            said.append(str(error))
    return said


def strategies_of(name: str) -> dict[str, str]:
    """The settings that the name of a method stands for: a preset's, a strategy's, or TEXT/VISION, one a tower."""
    text, slash, vision = name.partition("/")
    return {"strategy": text, **({"vision_strategy": vision} if slash else {})}


def names() -> list[str]:
    """Names of all experiments, sorted."""
    folder = _folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.toml"))


def _folder() -> Path:
    return next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])


def find(name: str) -> Experiment:
    """The experiment with this name, or in this file.

    Args:
        name: of a file in experiments/, or a path that ends in .toml.

    Raises:
        UserError: there is none, or its file has mistakes; all are named.
    """
    if name.endswith(".toml"):
        return read(Path(name), Path(name).stem, file=name)
    if name not in names():
        hint = "`mlilt compare --list` lists them; the name of a file of your own ends in .toml."
        raise UnknownNameError("experiment", name, names(), hint)
    return read(_folder() / f"{name}.toml", name)


def read(path: Path, name: str, file: str = "") -> Experiment:
    """Reads and checks a file.

    Args:
        path: where it is.
        name: of the experiment.
        file: how the user named a file of their own.

    Raises:
        UserError: it cannot be read, or has mistakes; all are named, each with its key.
    """
    found = toml.read(path)
    for key, told in (("name", "the file's name is the experiment's"), ("file", "the file is this one")):
        if key in found:
            raise UserError(f"{path}: {key}: {told}. Leave it out.")
    return make({**found, "name": name, "file": file}, str(path))


def make(settings: Mapping[str, Any], origin: str) -> Experiment:
    """Checks an experiment.

    Raises:
        UserError: names every mistake at once, each with its key.
    """
    try:
        return Experiment.model_validate(dict(settings))
    except ValidationError as error:
        lines = [f"  {_mistake(mistake)}" for mistake in error.errors()]
        raise UserError(f"{len(lines)} mistake(s) in the experiment of {origin}:\n" + "\n".join(lines)) from error


def _mistake(error: Any) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        own = [name for name in Experiment.model_fields if name not in ("name", "file")]
        known = list(PaperResult.model_fields) if key.startswith("paper_results") else own
        return f"{key}: {UnknownNameError('key', str(error['loc'][-1]), known)}"
    field = Experiment.model_fields[key] if error["type"] == "missing" and key in Experiment.model_fields else None
    wanted = f" ({field.description})" if field else ""
    return f"{f'{key}: ' if key else ''}{error['msg'].removeprefix('Value error, ')}{wanted}"


def asked(
    base: Experiment | None,
    languages: Sequence[str],
    strategies: Sequence[str],
    seeds: int | None,
    ask: Sequence[str],
    settings: Mapping[str, Any],
) -> Experiment:
    """The experiment that a call asks for: a named one with some of it overruled, or one of its own.

    Args:
        base: the named one.
        languages, strategies, seeds, ask: in place of all that it names itself.
        settings: of all runs; a list of several values is an axis, a list of lists where the setting is a list itself.

    Raises:
        UserError: names every mistake at once.
    """
    changed: dict[str, Any] = base.model_dump(exclude_unset=True) if base else {"title": "As asked for"}
    given = {"languages": list(languages), "strategies": list(strategies), "ask": list(ask)}
    given = {key: value for key, value in given.items() if value}
    axes = {key: list(value) for key, value in settings.items() if _is_axis(key, value)}
    fixed = {key: axes.pop(key)[0] for key in [key for key in axes if len(axes[key]) == 1]}
    fixed |= {key: value for key, value in settings.items() if not _is_axis(key, value)}
    over = {*given, *axes, *fixed}
    tables = [{k: v for k, v in table.items() if k not in over} | axes for table in changed.get("grid", [])]
    kept = {key: value for key, value in changed.get("settings", {}).items() if key not in over}
    changed |= given | {"settings": kept | fixed, "grid": tables or ([axes] if axes else [])}
    if seeds is not None:
        changed["seeds"] = seeds
    return make(changed, f"{base.name}, as the command line changes it" if base else "the command line")


def _is_axis(key: str, value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    return key not in LISTS or (bool(value) and all(isinstance(each, list | tuple) for each in value))


def configs(experiment: Experiment) -> list[RunConfig]:
    """The settings of all runs, as they will be used; see `plan`."""
    return [planned.config for planned in plan(experiment)]


def plan(experiment: Experiment) -> list[Planned]:
    """All runs of an experiment, as `expand` gives them, whose data is there.

    Raises:
        UserError: languages that are not prepared, all at once; a device that is not there.
    """
    found = expand(experiment)
    _check_prepared(experiment, found)
    return found


def expand(experiment: Experiment) -> list[Planned]:
    """All runs of an experiment, each once, however often it is named.

    They are in the order of the file, by table, language, point and seed, all strategies at a time: a comparison that
    was stopped has whole rows. `data` is a language's own folder where no other language is concerned, else the folder
    that holds the data sets of all.
    """
    found: dict[str, Planned] = {}
    for planned in _walk(experiment):
        key = json.dumps(planned.config.outcome(), sort_keys=True)
        there = found.get(key, planned)
        ask = tuple(dict.fromkeys((*there.ask, *planned.ask)))
        found[key] = Planned(there.config, ask, tuple(dict.fromkeys((*there.tests, *planned.tests))))
    return list(found.values())


def _walk(experiment: Experiment) -> Iterator[Planned]:
    several = len(experiment.concerned()) > 1
    for table in experiment.tables:
        ask = tuple(experiment.ask if table.ask is None else table.ask)
        tests = tuple(experiment.tests if table.tests is None else table.tests)
        tests = tests or (ASKED_BY_DEFAULT if ask else ())
        for lang, values in itertools.product(
            table.languages or experiment.languages, itertools.product(*table.axes.values())
        ):
            settings = {**experiment.settings, **dict(zip(table.axes, values, strict=True))}
            settings = {key: value for key, value in settings.items() if value != DEFAULT}
            if several and settings.get("data") and "+" not in lang:
                settings["data"] = str(Path(settings["data"]) / lang)
            for seed in range(experiment.seeds):
                for name in table.strategies or experiment.strategies:
                    run = {**settings, "lang": lang, **strategies_of(name), "seed": seed}
                    yield Planned(resolve(configurations.make(run, "the comparison")), ask, tests)


def _check_prepared(experiment: Experiment, runs: Iterable[Planned]) -> None:
    wanted = {(code, run.config.data_folder(code)) for run in runs for code in run.config.languages}
    wanted |= {(code, experiment.root / code) for run in runs if run.tests for code in run.ask}
    missing = [(code, folder) for code, folder in sorted(wanted) if not folder.is_dir()]
    if missing:
        commands = [f"  mlilt prep --lang {code}{_out(code, folder)}" for code, folder in missing]
        raise UserError(f"{len(missing)} data set(s) are not there. Prepare them first:\n" + "\n".join(commands))
    for code, folder in sorted(wanted):
        data.manifest(folder, code)


def _out(code: str, folder: Path) -> str:
    return "" if folder == Path("data") / code else f" --out {folder}"
