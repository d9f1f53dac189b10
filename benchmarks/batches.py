"""Batches beyond memory: one epoch of Swahili, Amharic and Yorùbá together, 128 captions encoded at a time, each run in
a process of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import mlilt
from benchmarks._table import show
from mlilt import config as configs
from mlilt import record
from mlilt.comparison.worker import train_alone

LANGUAGES = ("sw", "am", "yo")
SIZES = (128, 1024, 4096)
CHUNK = 128


def run() -> None:
    """Prints peak memory and rate for each size of batch."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for lang in LANGUAGES:
            mlilt.prepare(lang, out=root / lang, progress=False)
        for strategy in ("layernorm", "full"):
            first = None
            for size in SIZES:
                settings = {"strategy": strategy, "batch_size": size, "chunk_size": CHUNK, "epochs": 1}
                config = configs.make({"lang": "+".join(LANGUAGES), "data": str(root), **settings})
                out = root / f"{strategy}-{size}"
                train_alone(config, out, offline=False, progress=False)
                costs = record.read(out).costs
                first = first or costs.captions_per_s
                rows.append(
                    (
                        strategy,
                        f"{size:,}",
                        f"{costs.captions_per_s:.0f}",
                        f"{costs.captions_per_s / first:.2f} ×",
                        f"{(costs.peak_rss_bytes or 0) / 1e9:.2f}",
                        "4" if size == max(SIZES) else "",
                    )
                )
    show(("strategy", "captions a batch", "captions/s", "of a batch of 128", "peak memory, GB", "target"), rows)
