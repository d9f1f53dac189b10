"""`mlilt quickstart --lang sw`: with nothing in the cache, then in a new folder with a full cache, then again there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._table import show


def run() -> None:
    """Prints minutes of each."""
    with tempfile.TemporaryDirectory() as folder:
        # The package clients' own caches would make a first run look quicker than it is.
        environment = {
            **os.environ,
            "MLILT_CACHE": str(Path(folder) / "cache"),
            "npm_config_cache": str(Path(folder) / "npm"),
            "PIP_NO_CACHE_DIR": "1",
        }
        rows = []
        for what, place, target in (
            ("first run, downloads included", "one", "6"),
            ("new folder, full cache", "two", "3"),
            ("the same folder again", "two", "3"),
        ):
            (Path(folder) / place).mkdir(exist_ok=True)
            started = time.perf_counter()
            command = [sys.executable, "-m", "mlilt", "quickstart", "--lang", "sw"]
            subprocess.run(command, check=True, cwd=Path(folder) / place, env=environment, stdout=subprocess.DEVNULL)
            rows.append((what, f"{(time.perf_counter() - started) / 60:.2f}", target))
    show(("", "minutes", "target"), rows)
