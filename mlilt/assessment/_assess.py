"""Puts runs to the tests, and keeps what came of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, cast

import torch
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from data_prep import registry
from data_prep.carriers import cache_folder
from data_prep.errors import UserError
from data_prep.progress import bar
from mlilt import assessment as _package
from mlilt import record
from mlilt.assessment._base import FORMAT, Asked, Measured, Subject, Test
from mlilt.config import FROZEN
from mlilt.model import assemble, base_towers, restore
from mlilt.record import RunRecord
from mlilt.training.device import choose_device, store_frozen


class _Kept(BaseModel):
    """A file of measured values: of what, and on which data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    weights_sha256: str
    data_sha256: list[str]
    measured: list[Measured]


def names() -> list[str]:
    """Names of all tests, sorted."""
    return registry.names(_package)


def load(name: str) -> Test:
    """The test with this name.

    Raises:
        UnknownNameError: there is none.
    """
    return cast(Test, registry.module(_package, name, "test").TEST)


def assess(
    folder: Path,
    languages: Sequence[str] = (),
    data: Path | str | None = None,
    tests: Sequence[str] = (),
    offline: bool = False,
    progress: bool = True,
) -> list[Measured]:
    """Puts a finished run to tests; what was measured before, on the same data, is read.

    Args:
        folder: the run's.
        languages: to ask it in, beside those that it was trained on.
        data: what holds the prepared data sets of other languages; "data" by default.
        tests: which; all by default.
        offline: use only what is on this machine.
        progress: show a progress bar.

    Raises:
        UserError: no finished run there, a language that is not prepared, or an unknown test.
    """
    about = record.read(folder)

    def make(dtype: torch.dtype) -> Subject:
        _, dual, eyes = restore(folder, choose_device(about.config.device), dtype, offline)
        return Subject(about, dual, eyes, dtype, True, progress)

    return _measure(about, folder / record.ASSESSED, about.weights_sha256, make, languages, data, tests, progress)


def before(
    about: RunRecord,
    languages: Sequence[str] = (),
    data: Path | str | None = None,
    tests: Sequence[str] = (),
    offline: bool = False,
    progress: bool = True,
) -> list[Measured]:
    """The same of the towers that a run started from, as far as tests need no training; kept in the cache.

    Arguments and errors as for `assess`.
    """
    key = "-".join((about.text.sha256[:16], about.vision.sha256[:16], about.precision))

    def make(dtype: torch.dtype) -> Subject:
        tower, eyes = base_towers(about, offline)
        where = choose_device(about.config.device)
        tower.settle(where)
        frozen = about.config.model_copy(update={"strategy": FROZEN, "vision_strategy": FROZEN})
        dual, _, _ = assemble(frozen, tower, eyes)
        store_frozen(dual.text, dtype)
        return Subject(about, dual.to(where), eyes, dtype, False, progress)

    tests = [name for name in (tests or names()) if load(name).before]
    return _measure(about, cache_folder() / "assessed" / key, key, make, languages, data, tests, progress)


def _measure(
    about: RunRecord,
    kept: Path,
    weights: str,
    make: Callable[[torch.dtype], Subject],
    languages: Sequence[str],
    data: Path | str | None,
    tests: Sequence[str],
    progress: bool,
) -> list[Measured]:
    own = about.config.languages
    folders = {code: Path(data or "data") / code for code in languages} | {c: about.config.data_folder(c) for c in own}
    asked = {code: Asked.of(code, folder) for code, folder in folders.items()}
    wanted = [
        (name, load(name), tuple(asked[code] for code in thing))
        for name in tests or names()
        for thing in load(name).things(about, list(asked))
    ]
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with FileLock(kept / ".lock"):
            found: dict[int, list[Measured]] = {}
            for place, (name, _, thing) in enumerate(wanted):
                there = _read(_path(kept, name, thing, about), weights, thing)
                if there is not None:
                    found[place] = there
            missing = [place for place in range(len(wanted)) if place not in found]
            if missing:
                subject = make(getattr(torch, about.precision))
                with bar(f"Assessing {about.name}", len(missing), unit="tests", show=progress) as running:
                    for place in missing:
                        name, test, thing = wanted[place]
                        found[place] = test.measure(subject, thing)
                        _write(_path(kept, name, thing, about), weights, thing, found[place])
                        running.advance(1)
    except OSError as error:
        raise UserError(f"{kept} could not be written: {error}. Free some space, or choose another folder.") from error
    return [measured for place in range(len(wanted)) for measured in found[place]]


def _path(kept: Path, name: str, thing: Sequence[Asked], about: RunRecord) -> Path:
    parts = [name, *(asked.language for asked in thing)]
    if name == "neighbours" and about.config.held_out:
        parts += ["without", *about.config.held_out]
    safe = "-".join("".join(c if c.isalnum() else "_" for c in part) for part in parts)
    return kept / f"{safe}.json"


def _read(path: Path, weights: str, thing: Sequence[Asked]) -> list[Measured] | None:
    with contextlib.suppress(OSError, ValidationError):
        there = _Kept.model_validate_json(path.read_bytes())
        if (there.weights_sha256, there.data_sha256) == (weights, [asked.sha256 for asked in thing]):
            return there.measured
    return None


def _write(path: Path, weights: str, thing: Sequence[Asked], measured: list[Measured]) -> None:
    kept = _Kept(weights_sha256=weights, data_sha256=[asked.sha256 for asked in thing], measured=measured)
    partial = path.with_suffix(".part")
    partial.write_text(kept.model_dump_json() + "\n", encoding="utf-8")
    partial.replace(path)
