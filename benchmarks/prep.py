"""Preparing Swahili from all sources, downloads being in the cache, a new process each."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from benchmarks._table import show, spread

ROUNDS = 3


def run() -> None:
    """Prints seconds a data set; a first, uncounted one fills the cache."""
    seconds = []
    for place in range(ROUNDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            command = [sys.executable, "-m", "mlilt", "prep", "--lang", "sw", "--out", f"{folder}/sw"]
            subprocess.run(command, check=True, capture_output=True)
            if place:
                seconds.append(time.perf_counter() - started)
    show(("", "seconds, median (range)", "target"), [("mlilt prep --lang sw", spread(seconds, 1), "under 60")])
