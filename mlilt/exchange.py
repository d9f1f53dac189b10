"""Replaces a folder as a whole, or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock


@contextlib.contextmanager
def exchanged(folder: Path, check: Callable[[], None]) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` if the block ends well and goes away otherwise.

    Args:
        folder: what is replaced, if it is there.
        check: called once nobody else writes there; raises if it must not be replaced.

    Raises:
        filelock.Timeout: another process is writing it.
        OSError: it cannot be written.
    """
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
