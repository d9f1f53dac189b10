"""What processes take together."""

from __future__ import annotations

import contextlib
import sys

import psutil


def memory(process: psutil.Process) -> int:
    """Bytes that a process and all below it take: what they have to themselves and their part of what they share."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += one.memory_full_info().pss if sys.platform == "linux" else one.memory_info().rss
    return total
