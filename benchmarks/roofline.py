"""Training steps against the bound that their own matrix products set: Swahili, one epoch each, interleaved.

Operations of all steps are counted in a pass of their own, which is not timed. The rate of matrix products is that of
two square matrices of 2,048 in the same precision, measured before and after each pass; the bound is the time that all
products of an epoch would take at that rate, with nothing else to do.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch

import mlilt
from benchmarks._table import show, spread
from mlilt.record import RunRecord
from mlilt.training import flops
from mlilt.training.device import choose_device, choose_precision

STRATEGIES = ("frozen", "layernorm", "full")
ROUNDS = 5
SIDE = 2048


def run() -> None:
    """Prints for each strategy what a caption takes, what it would take at least, and the part of it."""
    device = choose_device("auto")
    dtype = choose_precision("auto", device)
    shares: dict[str, list[float]] = {strategy: [] for strategy in STRATEGIES}
    times: dict[str, list[float]] = {strategy: [] for strategy in STRATEGIES}
    work: dict[str, RunRecord] = {}
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        prepared = mlilt.prepare("sw", out=Path(folder) / "sw", progress=False)

        def train(strategy: str, name: str, counted: int) -> RunRecord:
            with patch.object(flops, "COUNTED_STEPS", counted):
                return mlilt.train(
                    "sw",
                    strategy=strategy,
                    epochs=1,
                    data=str(prepared.folder),
                    out=Path(folder) / f"{strategy}-{name}",
                    progress=False,
                )

        for strategy in STRATEGIES:
            work[strategy] = train(strategy, "counted", 10**9)
        for number in range(ROUNDS):
            for strategy in STRATEGIES:
                before = _rate(device, dtype)
                costs = train(strategy, str(number), 0).costs
                rate = (before + _rate(device, dtype)) / 2
                per_pair = work[strategy].costs.flops_per_pair
                assert per_pair is not None
                rates.append(rate)
                times[strategy].append(costs.wall_s)
                shares[strategy].append(per_pair * costs.pairs / rate / costs.wall_s)
    print(f"Matrix products: {spread([rate / 1e9 for rate in rates])} GFLOP/s in {dtype}.\n")
    rows = []
    for strategy in STRATEGIES:
        costs = work[strategy].costs
        total = (costs.flops_per_pair or 0) * costs.pairs
        rows.append(
            (
                strategy,
                f"{total / costs.captions / 1e9:.3f}",
                spread([1e3 * seconds / costs.captions for seconds in times[strategy]], 2),
                f"{1e3 * total / costs.captions / median(rates):.2f}",
                spread([100 * share for share in shares[strategy]]),
            )
        )
    show(("", "GFLOP a caption", "ms a caption, median (range)", "bound, ms", "of the bound, %"), rows)


def _rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second in a product of two square matrices."""
    one, other = (torch.randn(SIDE, SIDE).to(device, dtype) for _ in range(2))
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        found = one @ other
        # Waits for a GPU.
        float(found[0, 0])
        seconds.append(time.perf_counter() - started)
    return 2 * SIDE**3 / median(seconds)
