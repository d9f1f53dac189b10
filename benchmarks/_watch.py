"""Runs a command and watches what it takes, with all processes that it starts."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from benchmarks._memory import memory

# Often enough for what lasts, seldom enough to be no burden on what is watched.
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds from start to end, and the largest sum of all processes' own memory and share of what they share, GB."""

    seconds: float
    memory: float


def watch(command: Sequence[str], environment: Mapping[str, str]) -> Taken:
    """Waits for a command.

    Raises:
        RuntimeError: it failed; holds the end of what it said.
    """
    begun = time.perf_counter()
    process = psutil.Popen(command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ended = threading.Event()
    peak = [0]

    def look() -> None:
        while not ended.wait(_LOOK_S):
            # It may have ended meanwhile.
            with contextlib.suppress(psutil.Error):
                peak[0] = max(peak[0], memory(process))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    said, _ = process.communicate()
    seconds = time.perf_counter() - begun
    ended.set()
    looking.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed ({process.returncode}):\n{said[-3000:]}")
    return Taken(seconds, peak[0] / 1e9)
