"""Cost by size: 1,000, 10,000 and 100,000 generated pairs, one epoch of layernorm from an empty feature cache.

Pictures as in the benchmark `scale`: 320 x 240 pixels, JPEG, in WebDataset shards. Each run is a process of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import mlilt
from benchmarks import scale
from benchmarks._cache import without_features
from benchmarks._table import show
from benchmarks._watch import watch
from mlilt import record

SIZES = (1_000, 10_000, 100_000)


def run(sizes: tuple[int, ...] = SIZES) -> None:
    """Prints a line for each size."""
    lines = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            scale.generate(root, count)
            data = mlilt.prepare("sw", source=[f"wds:{root}/shard-*.tar"], out=root / "sw", progress=False).folder
            command = [sys.executable, "-m", "mlilt", "train", "--lang", "sw", "--data", str(data), "--epochs", "1"]
            taken = watch([*command, "--out", str(root / "run")], {**os.environ, **without_features(root)})
            about = record.read(root / "run")
            costs = about.costs
            lines.append(
                (
                    f"{count:,}",
                    f"{costs.pairs:,}",
                    f"{costs.setup_s:.0f}",
                    f"{costs.wall_s:.0f}",
                    f"{costs.evaluation_s:.1f}",
                    f"{taken.seconds:.0f}",
                    f"{1e3 * taken.seconds / count:.1f}",
                    f"{taken.memory:.2f}",
                )
            )
    show(
        (
            "pictures",
            "pairs",
            "set-up and features, s",
            "training, s",
            "evaluation, s",
            "whole, s",
            "ms a picture",
            "peak memory, GB",
        ),
        lines,
    )
