"""Replaces a folder as a whole, or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from data_prep.errors import UserError


@contextlib.contextmanager
def exchanged(folder: Path, check: Callable[[], None]) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` if the block ends well and goes away otherwise.

    Args:
        folder: what is replaced, if it is there.
        check: called once nobody else writes there; raises if it must not be replaced.

    Raises:
        UserError: another process is writing it, or it cannot be written.
    """
    try:
        with _exchanged(folder, check) as part:
            yield part
    except Timeout as error:
        raise UserError(
            f"Another process is writing {folder} right now. Wait for it, or choose another --out."
        ) from error
    except (OSError, SafetensorError) as error:  # the latter is how safetensors reports a full disk
        raise UserError(
            f"{folder} could not be written: {error}. What was there before is untouched. Free some space or choose "
            "another --out."
        ) from error


@contextlib.contextmanager
def _exchanged(folder: Path, check: Callable[[], None]) -> Iterator[Path]:
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    part, old = (folder.parent / f".{folder.name}.{kind}" for kind in ("part", "old"))
    with FileLock(folder.parent / f".{folder.name}.lock", timeout=0):
        # What a killed run left behind.
        _restore(folder, old)
        shutil.rmtree(part, ignore_errors=True)
        check()
        part.mkdir()
        try:
            yield part
            if folder.exists():
                folder.rename(old)
            part.rename(folder)
        finally:
            _restore(folder, old)
            shutil.rmtree(part, ignore_errors=True)


def _restore(folder: Path, old: Path) -> None:
    """Puts back what was to be replaced, unless it was replaced."""
    if old.is_dir() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
