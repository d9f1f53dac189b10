"""Training rate of layernorm and of the full text tower on Swahili: one epoch each, interleaved, after a first one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import mlilt
from benchmarks._table import show, spread

ROUNDS = 5
STRATEGIES = ("layernorm", "full", "frozen")


def run() -> None:
    """Prints captions and pairs a second; a caption comes with up to two pictures of its concept."""
    captions: dict[str, list[float]] = {name: [] for name in STRATEGIES}
    pairs: dict[str, list[float]] = {name: [] for name in STRATEGIES}
    with tempfile.TemporaryDirectory() as folder:
        prepared = mlilt.prepare("sw", out=Path(folder) / "sw", progress=False)
        for place in range(ROUNDS + 1):
            for name in STRATEGIES:
                record = mlilt.train(
                    "sw",
                    strategy=name,
                    epochs=1,
                    seed=place,
                    data=str(prepared.folder),
                    out=Path(folder) / f"{name}-{place}",
                    progress=False,
                )
                if place:
                    captions[name].append(record.costs.captions_per_s)
                    pairs[name].append(record.costs.pairs_per_s)
    full = median(captions["full"])
    show(
        ("strategy", "captions/s, median (range)", "pairs/s, median (range)", "against full", "target"),
        [
            (name, spread(captions[name]), spread(pairs[name]), f"{median(captions[name]) / full:.2f}", target)
            for name, target in zip(STRATEGIES, ("200 pairs/s, 2 × full", "", ""), strict=True)
        ],
    )
