"""Training the same towers on the same pairs as users do today, with open_clip, transformers and sentence-transformers.

Each pass is a process of its own, from its start to its end: imports, loading, features that are computed once. All
take batches of 128 pairs, bfloat16, the same learning rate and schedule; the image tower is frozen, and the text tower
trains whole unless another strategy is named. "Tuned" has the context cut to the longest caption and processes that
decode.

mlilt's passes are run whole. A peer keeps nothing from one step for another, and all its steps cost the same: it is run
for one step and for `1 + PART`, and the time of all steps follows. `--whole` runs its passes whole, too, about 40
minutes each. `python -m benchmarks.peers --help` runs a part.
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
# Steps of a peer that are timed.
PART = 10


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


def run(
    limit: int | None = None,
    epochs: int = EPOCHS,
    rounds: int = ROUNDS,
    only: Sequence[str] = (),
    whole: bool = False,
) -> None:
    """Prints seconds, pairs a second and memory of each, and how many times as long as mlilt each takes.

    Args:
        limit: concepts of each source; all by default.
        epochs: how often each pair is seen.
        rounds: passes of each, in turn.
        only: contestants whose name holds one of these; all by default.
        whole: run all steps of the peers, too.
    """
    # Not above: each contestant's process imports this package.
    from benchmarks._cache import without_features
    from benchmarks._table import show, spread
    from benchmarks._watch import Taken, watch
    from benchmarks.peers import _prepare, ours
    from benchmarks.peers._work import Work

    asked = [each for each in contestants() if not only or any(part in each.name for part in only)]
    taken: dict[str, list[Taken]] = {each.name: [] for each in asked}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        work = _prepare.make(folder, limit=limit)
        print(f"{work.count:,} pairs, {epochs} epochs, captions of up to {work.longest} tokens.\n", flush=True)

        def passes(each: Contestant, some: Work, epochs: int) -> Taken:
            with tempfile.TemporaryDirectory(dir=folder) as out:
                own = without_features(Path(out)) if each.module is ours else {}
                command = each.module.command(some, epochs, each.strategy, each.tuned, Path(out))
                return watch(command, {**os.environ, "HF_HUB_OFFLINE": "1", **own})

        one, several = work.part(1, folder / "one.tsv"), work.part(1 + PART, folder / "several.tsv")
        for _ in range(rounds):
            for each in asked:
                if whole or each.module is ours:
                    taken[each.name].append(passes(each, work, epochs))
                    continue
                begun, on = passes(each, one, 1), passes(each, several, 1)
                step = (on.seconds - begun.seconds) / PART
                total = begun.seconds + (work.steps(epochs) - 1) * step
                taken[each.name].append(Taken(total, max(begun.memory, on.memory)))
                print(f"{each.name}: {begun.seconds:.1f} s with one step, {step:.2f} s a step", flush=True)
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
