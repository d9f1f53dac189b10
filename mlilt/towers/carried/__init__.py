"""Towers whose weights ordinary Python packages carry, for machines without a model hub: one module each.

Each has `RESOURCES`, what it needs, and `build(files, folder)`, which writes a standard model folder once.
"""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from filelock import FileLock
from safetensors import SafetensorError

from data_prep.carriers import FetchError, Resource, cache_folder, fetch, file_digest, unchanged

# Digests of a converted tower's files.
_SUMS = "sha256.json"


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


def _is_whole(target: Path) -> bool:
    """Whether a converted tower is what was written, as far as that is known."""

    def check() -> bool:
        # Of a tower that was converted before there were sums, nothing is known.
        if not (target / _SUMS).exists():
            return True
        try:
            sums = json.loads((target / _SUMS).read_bytes())
            return all(file_digest(target / name) == sum_ for name, sum_ in sums.items())
        except (ValueError, AttributeError):
            return False

    return unchanged(target, check)


def folder(name: str, offline: bool = False, progress: bool = True) -> Path:
    """The standard model folder of a carried tower; fetched and converted on first use, then cached.

    Raises:
        FetchError: its packages can neither be found nor fetched, or the cache cannot be written.
    """
    carried, target = load(name), _target(name)
    if target.is_dir() and _is_whole(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Locked before fetching: another process removes what it fetched once it has converted it.
        with FileLock(target.parent / f".{name}.lock"):
            if not target.is_dir() or not _is_whole(target):
                files = {r.name: fetch(r, offline=offline, progress=progress) for r in carried.RESOURCES}
                with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as temporary:
                    made = Path(temporary) / "model"
                    made.mkdir()
                    carried.build(files, made)
                    sums = {
                        path.relative_to(made).as_posix(): file_digest(path)
                        for path in made.rglob("*")
                        if path.is_file()
                    }
                    (made / _SUMS).write_text(json.dumps(sums, indent=1), encoding="utf-8")
                    if target.is_dir():
                        target.rename(Path(temporary) / "damaged")
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
