"""mlilt: each picture once an epoch with its caption, as for all."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.peers import _work
from benchmarks.peers._work import Work

STRATEGIES = ("full", "layernorm")


def command(work: Work, epochs: int, strategy: str, tuned: bool, out: Path) -> list[str]:
    """It has no other settings to be tuned by."""
    settings = out / "settings.toml"
    settings.write_text("keyword_share = 0.0\npictures_per_caption = 1\n", encoding="utf-8")
    return [
        *(sys.executable, "-m", "mlilt", "train", "--data", work.prepared, "--lang", Path(work.prepared).name),
        *(
            "--strategy",
            strategy,
            "--epochs",
            str(epochs),
            "--batch-size",
            str(_work.BATCH),
            "--precision",
            "bf16",
            "--lr",
            str(_work.LEARNING_RATE),
        ),
        *("--config", str(settings), "--out", str(out / "run"), "--offline"),
    ]


def environment(folder: Path) -> dict[str, str]:
    """Its cache with the towers and without any picture's features: these are a part of the work."""
    from data_prep.carriers import cache_folder

    cache = folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name in ("towers", "resources"):
        if not (cache / name).exists() and (cache_folder() / name).is_dir():
            (cache / name).symlink_to(cache_folder() / name)
    for old in (path for path in cache.iterdir() if not path.is_symlink()):
        for file in sorted(old.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
    return {"MLILT_CACHE": str(cache)}
