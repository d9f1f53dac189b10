"""Training the vision tower too: pairs a second of presets on a small Swahili set (60 concepts a source), one epoch
each, each run in a process of its own, interleaved.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import mlilt
from benchmarks._table import show, spread
from mlilt import config as configs
from mlilt import record, strategies
from mlilt.comparison.worker import train_alone

PRESETS = ("lit", "clip", "lilt-da", "lilt-minus-adapters")
ROUNDS = 3


def run() -> None:
    """Prints rates and peak memory."""
    found: dict[str, list[record.RunRecord]] = {preset: [] for preset in PRESETS}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        data = mlilt.prepare("sw", limit=60, out=root / "sw", progress=False).folder
        for seed in range(ROUNDS):
            for preset in PRESETS:
                settings = {"strategy": preset, "epochs": 1, "seed": seed, "batch_size": 64}
                config = configs.make({"lang": "sw", "data": str(data), **settings})
                out = root / f"{preset}-{seed}"
                train_alone(config, out, offline=False, progress=False)
                found[preset].append(record.read(out))
    base = median(r.costs.pairs_per_s for r in found["clip"])
    rows = []
    for preset, runs in found.items():
        about = strategies.presets.find(preset)
        assert about is not None
        rates = [r.costs.pairs_per_s for r in runs]
        memory = [(r.costs.peak_rss_bytes or 0) / 1e9 for r in runs]
        share = f"{100 * runs[0].trained.share:.2f} %"
        rows.append((preset, share, spread(rates), f"{median(rates) / base:.2f} ×", spread(memory, 2)))
    show(("preset", "trained", "pairs/s, median (range)", "of clip", "peak memory, GB"), rows)
