"""A cache for a program that is measured."""

from __future__ import annotations

from pathlib import Path

from data_prep.carriers import cache_folder


def without_features(out: Path) -> dict[str, str]:
    """Environment of a program with the towers at hand and no picture's features: these are a part of its work."""
    cache = out / "cache"
    cache.mkdir()
    for name in ("towers", "resources"):
        if (cache_folder() / name).is_dir():
            (cache / name).symlink_to(cache_folder() / name)
    return {"MLILT_CACHE": str(cache)}
