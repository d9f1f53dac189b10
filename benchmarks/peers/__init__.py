"""Training the same towers on the same pairs as users do today, with open_clip, transformers and sentence-transformers.

Each pass is a process of its own, from its start to its end: imports, loading, features that are computed once. All
take batches of 128 pairs, bfloat16, the same learning rate and schedule; the image tower is frozen, and the text tower
trains whole unless another strategy is named. "Tuned" has the context cut to the longest caption and processes that
decode. `python -m benchmarks.peers --help` runs a part.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import NamedTuple

ROUNDS = 3
EPOCHS = 10


class Contestant(NamedTuple):
    """A library's way to do the work."""

    name: str
    module: ModuleType
    strategy: str
    tuned: bool


def contestants() -> list[Contestant]:
    """All, mlilt first."""
    from benchmarks.peers import open_clip, ours, sentence, vision_text

    peers = {"open_clip": open_clip, "transformers' example": vision_text, "sentence-transformers": sentence}
    own = [Contestant(f"mlilt, {strategy}", ours, strategy, False) for strategy in ours.STRATEGIES]
    return own + [
        Contestant(f"{name}, {'tuned' if tuned else 'as it comes'}", module, "full", tuned)
        for name, module in peers.items()
        for tuned in (False, True)
    ]


def run(limit: int | None = None, epochs: int = EPOCHS, rounds: int = ROUNDS, only: Sequence[str] = ()) -> None:
    """Prints seconds, pairs a second and memory of each, and how many times as long as mlilt each takes.

    Args:
        limit: concepts of each source; all by default.
        epochs: how often each pair is seen.
        rounds: passes of each, in turn.
        only: contestants whose name holds one of these; all by default.
    """
    # Not above: each contestant's process imports this package.
    from benchmarks._cache import without_features
    from benchmarks._table import show, spread
    from benchmarks._watch import Taken, watch
    from benchmarks.peers import _prepare, ours

    asked = [each for each in contestants() if not only or any(part in each.name for part in only)]
    taken: dict[str, list[Taken]] = {each.name: [] for each in asked}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        work = _prepare.make(folder, limit=limit)
        print(f"{work.count:,} pairs, {epochs} epochs, captions of up to {work.longest} tokens.\n", flush=True)
        for _ in range(rounds):
            for each in asked:
                with tempfile.TemporaryDirectory(dir=folder) as out:
                    own = without_features(Path(out)) if each.module is ours else {}
                    command = each.module.command(work, epochs, each.strategy, each.tuned, Path(out))
                    taken[each.name].append(watch(command, {**os.environ, "HF_HUB_OFFLINE": "1", **own}))
    seconds = {name: [t.seconds for t in found] for name, found in taken.items()}
    rates = {name: [epochs * work.count / s for s in found] for name, found in seconds.items()}
    mine = [name for name in taken if name.startswith("mlilt")]
    show(
        ("", "seconds, median (range)", "pairs/s", "memory, GB", *(f"times {name}" for name in mine)),
        [
            (
                name,
                spread(seconds[name]),
                spread(rates[name]),
                f"{median(t.memory for t in found):.2f}",
                *(f"{median(seconds[name]) / median(seconds[one]):.1f}" for one in mine),
            )
            for name, found in taken.items()
        ],
    )
