"""Towers whose weights ordinary Python packages carry, for machines without a model hub: one module each.

Each has `RESOURCES`, what it needs, and `build(files, folder)`, which writes a standard model folder once.
"""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from filelock import FileLock
from safetensors import SafetensorError

from data_prep.carriers import FetchError, Resource, cache_folder, fetch


class Carried(Protocol):
    """What a module of this folder holds."""

    RESOURCES: tuple[Resource, ...]

    def build(self, files: Mapping[str, Path], folder: Path) -> None:
        """Writes a folder that transformers or timm load with their own calls."""
        ...


def load(name: str) -> Carried:
    """The module with this name."""
    return cast(Carried, importlib.import_module(f"{__name__}.{name}"))


def _target(name: str) -> Path:
    stamp = "-".join(resource.digest[:8] for resource in load(name).RESOURCES)
    return cache_folder() / "towers" / f"{name}-{stamp}"


def is_built(name: str) -> bool:
    """True if `folder` would neither fetch nor convert anything."""
    return _target(name).is_dir()


def folder(name: str, offline: bool = False, progress: bool = True) -> Path:
    """The standard model folder of a carried tower; fetched and converted on first use, then cached.

    Raises:
        FetchError: its packages can neither be found nor fetched, or the cache cannot be written.
    """
    carried, target = load(name), _target(name)
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Locked before fetching: another process removes what it fetched once it has converted it.
        with FileLock(target.parent / f".{name}.lock"):
            if not target.is_dir():
                files = {r.name: fetch(r, offline=offline, progress=progress) for r in carried.RESOURCES}
                with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as temporary:
                    made = Path(temporary) / "model"
                    made.mkdir()
                    carried.build(files, made)
                    made.rename(target)
                # The converted weights are all that is ever read again.
                for path in files.values():
                    shutil.rmtree(path, ignore_errors=True)
    except (OSError, SafetensorError) as error:  # the latter is how safetensors reports a full disk
        raise FetchError(
            f"{name} could not be stored in {target.parent}: {error}. Free some space there, or set MLILT_CACHE to "
            "another folder."
        ) from error
    return target
