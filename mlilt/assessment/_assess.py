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
from mlilt.assessment._base import FORMAT, Asked, Measured, Subject, Test, Thing
from mlilt.config import FROZEN, RunConfig
from mlilt.model import assemble, base_towers, restore
from mlilt.record import RunRecord
from mlilt.training.device import choose_device, store_frozen


class _Kept(BaseModel):
    """A file of measured values: of which weights, and on what."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = FORMAT
    weights_sha256: str
    thing_sha256: str
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
    imagenet: Path | None = None,
) -> list[Measured]:
    """Puts a finished run to tests; what was measured before, of the same weights on the same data, is read.

    Args:
        folder: the run's.
        languages: to ask it in, beside those that it was trained on.
        data: what holds the prepared data sets of other languages; "data" by default.
        tests: which; all by default.
        offline: use only what is on this machine.
        progress: show progress bars.
        imagenet: the folder with Babel-ImageNet's names and templates, for the test of that name.

    Raises:
        UserError: no finished run there, a language that is not prepared, a language that the run's trimmed vocabulary
            has lost, or an unknown test.
    """
    about = record.read(folder)
    config = about.config
    if config.trim_vocab and (lost := [code for code in languages if code not in config.languages]):
        raise UserError(
            f"{about.name} was trained with --trim-vocab and knows the words of {', '.join(config.languages)} alone: "
            f"it cannot be asked in {', '.join(lost)}. Train it without, or leave these languages out."
        )
    asked = _asked(config, languages, data, imagenet)

    def make(dtype: torch.dtype) -> Subject:
        _, dual, eyes = restore(folder, _device(config), dtype, offline)
        return Subject(about, dual, eyes, dtype, offline, progress)

    return _measure(about, folder / record.ASSESSED, about.weights_sha256, make, asked, tests or names(), progress)


def before(
    about: RunRecord,
    languages: Sequence[str] = (),
    data: Path | str | None = None,
    tests: Sequence[str] = (),
    offline: bool = False,
    progress: bool = True,
) -> list[Measured]:
    """The same of the towers that a run started from, as far as tests need no training; kept in the cache.

    A vocabulary trimmed in training is whole here. Arguments and errors as for `assess`.
    """
    key = base_key(about)

    def make(dtype: torch.dtype) -> Subject:
        tower, eyes = base_towers(about, offline)
        where = _device(about.config)
        tower.settle(where)
        frozen = about.config.model_copy(update={"strategy": FROZEN, "vision_strategy": FROZEN})
        dual, _, _ = assemble(frozen, tower, eyes)
        store_frozen(dual.text, dtype)
        return Subject(about, dual.to(where), eyes, dtype, offline, progress)

    tests = [name for name in (tests or names()) if load(name).before]
    if not tests:
        return []
    asked = _asked(about.config, languages, data)
    return _measure(about, cache_folder() / "assessed" / key, key, make, asked, tests, progress)


def base_key(about: RunRecord) -> str:
    """Equal for runs that start from the same towers in the same precision."""
    return "-".join((about.text.sha256[:16], about.vision.sha256[:16], about.precision))


def _device(config: RunConfig) -> torch.device:
    """Where a run was trained, if that is here: values by item need not come from the same machine."""
    return choose_device("cpu" if config.device == "cpu" else "auto")


def _asked(
    config: RunConfig, languages: Sequence[str], data: Path | str | None, imagenet: Path | None = None
) -> list[Asked]:
    """The data sets at hand, the run's own first."""
    folders = {code: config.data_folder(code) for code in config.languages}
    folders |= {code: Path(data or "data") / code for code in languages if code not in folders}
    return [Asked.of(code, folder, imagenet) for code, folder in folders.items()]


def _measure(
    about: RunRecord,
    kept: Path,
    weights: str,
    make: Callable[[torch.dtype], Subject],
    asked: Sequence[Asked],
    tests: Sequence[str],
    progress: bool,
) -> list[Measured]:
    wanted = [(name, thing) for name in tests for thing in load(name).things(about, asked)]
    try:
        kept.mkdir(parents=True, exist_ok=True)
        lock = FileLock(kept / ".lock")
        lock.acquire()
    except OSError as error:
        raise _unwritable(kept, error) from error
    try:
        paths = [_path(kept, name, thing) for name, thing in wanted]
        found = [_read(path, weights, thing) for path, (_, thing) in zip(paths, wanted, strict=True)]
        missing = [place for place, there in enumerate(found) if there is None]
        if missing:
            subject = make(getattr(torch, about.precision))
            with bar(f"Assessing {about.name}", len(missing), unit="tests", show=progress) as running:
                for place in missing:
                    name, thing = wanted[place]
                    found[place] = load(name).measure(subject, thing.asked)
                    _write(paths[place], weights, thing, found[place] or [])
                    running.advance(1)
    finally:
        lock.release()
    return [measured for there in found for measured in there or []]


def _path(kept: Path, name: str, thing: Thing) -> Path:
    # With the digest: the same towers may be asked on several data sets of a language in turn.
    return kept / f"{'-'.join((name, *(one.language for one in thing.asked), thing.sha256[:12]))}.json"


def _read(path: Path, weights: str, thing: Thing) -> list[Measured] | None:
    with contextlib.suppress(OSError, ValidationError):
        there = _Kept.model_validate_json(path.read_bytes())
        if (there.weights_sha256, there.thing_sha256) == (weights, thing.sha256):
            return there.measured
    return None


def _write(path: Path, weights: str, thing: Thing, measured: list[Measured]) -> None:
    kept = _Kept(weights_sha256=weights, thing_sha256=thing.sha256, measured=measured)
    partial = path.with_suffix(".part")
    try:
        partial.write_text(kept.model_dump_json() + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(f"{folder} could not be written: {error}. Free some space there, or make it writable.")
