"""Time to `mlilt --help`, a new process each."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks._table import show, spread

ROUNDS = 11


def run() -> None:
    """Prints seconds a start."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mlilt", "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    show(("", "seconds, median (range)", "target"), [("mlilt --help", spread(seconds, 2), "under 0.5")])
