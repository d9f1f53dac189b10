"""Full training of e5-small on Swahili with the whole vocabulary and with the trimmed one: a process and an epoch each,
interleaved, after a first round.

"whole embedding" trains all rows of the word embedding instead of those that the data can reach.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple
from unittest.mock import patch

import mlilt
from benchmarks._table import show, spread
from mlilt import trim
from mlilt.towers import text
from mlilt.training import loop

ROUNDS = 3
WAYS = {
    "whole vocabulary": (False, False),
    "trimmed": (True, False),
    "whole vocabulary, whole embedding": (False, True),
    "trimmed, whole embedding": (True, True),
}


class _Costs(NamedTuple):
    captions_per_s: float
    setup_s: float
    peak_bytes: int


@contextlib.contextmanager
def _whole_embedding() -> Iterator[None]:
    with patch.object(loop._Run, "_reduce_embedding", lambda *_: None):
        yield


def _train(tower: str, whole: bool, data: Path, out: Path, seed: int) -> _Costs:
    """One run, in a process of its own: memory that an earlier one had counts for none."""
    with _whole_embedding() if whole else contextlib.nullcontext():
        record = mlilt.train(
            "sw", text=tower, strategy="full", epochs=1, seed=seed, data=str(data), out=out, progress=False
        )
    costs = record.costs
    return _Costs(costs.captions_per_s, costs.setup_s, costs.peak_rss_bytes or 0)


def run(limit: int | None = None, rounds: int = ROUNDS) -> None:
    """Prints sizes, and what training takes.

    Args:
        limit: at most so many concepts of each source, for trying it out.
        rounds: measured ones.
    """
    taken: dict[str, list[_Costs]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = mlilt.prepare("sw", limit=limit, out=folder / "sw", progress=False).folder
        made = trim.trim(["sw"], text.DEFAULT, data, folder / "trimmed", progress=False)
        for seed in range(rounds + 1):
            for place, (way, (trimmed, whole)) in enumerate(WAYS.items()):
                tower = str(made.folder) if trimmed else text.DEFAULT
                with ProcessPoolExecutor(1, get_context("spawn")) as process:
                    taken[way].append(
                        process.submit(_train, tower, whole, data, folder / f"{place}-{seed}", seed).result()
                    )
    show(
        ("", "pieces", "parameters", "MB stored"),
        [
            (name, f"{size.vocabulary:,}", f"{size.parameters / 1e6:.1f} M", f"{size.bytes / 1e6:.0f}")
            for name, size in (("whole vocabulary", made.before), ("trimmed", made.after))
        ],
    )
    print(f"\nStored: {100 * made.saved:.1f} % less (target: 60 % or more).\n", flush=True)
    measured = {way: costs[1:] for way, costs in taken.items()}
    rows = []
    for way, (_, whole) in WAYS.items():
        base = measured["whole vocabulary, whole embedding" if whole else "whole vocabulary"]
        rate, setup, memory = ([c[n] for c in measured[way]] for n in range(3))
        ratios = (median(values) / median(c[n] for c in base) for n, values in enumerate((rate, setup, memory)))
        rows.append(
            (
                way,
                spread(rate),
                spread(setup, 1),
                spread([size / 1e9 for size in memory], 2),
                " / ".join(f"{ratio:.2f}" for ratio in ratios),
            )
        )
    show(
        ("full training", "captions/s, median (range)", "set-up s", "peak GB", "ratios to the whole vocabulary"),
        rows,
    )
