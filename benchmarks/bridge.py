"""Does English as a bridge help? layernorm with and without `bridge="en"` on three languages, three seeds each."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import mlilt
from benchmarks._table import show
from mlilt.comparison import results
from mlilt.evaluation.statistics import bootstrap_interval

LANGUAGES = ("sw", "yo", "qu")
SEEDS = 3
WAYS = {"without": "", "with": "en"}


def run(folder: Path | None = None) -> None:
    """Prints text → image recall@10 on each language's test split, and the difference paired by query.

    Args:
        folder: where data and runs go, and are found again; a temporary one by default.
    """
    with tempfile.TemporaryDirectory() as temporary:
        root = folder or Path(temporary)
        rows: list[tuple[str, ...]] = []
        changes: list[float] = []
        asked: list[str] = []
        for lang in LANGUAGES:
            data = root / "data" / lang
            mlilt.prepare(lang, out=data, progress=False)
            found: dict[str, list[results.Run]] = {way: [] for way in WAYS}
            for seed in range(SEEDS):
                for way, bridge in WAYS.items():
                    out = root / f"{lang}-{bridge or 'none'}-s{seed}"
                    mlilt.train(lang, seed=seed, bridge=bridge, data=str(data), out=out, resume=True, progress=False)
                    found[way] += results.read_run(out)
            hits = {way: np.stack([_hits(run) for run in runs]) for way, runs in found.items()}
            change = 100 * (hits["with"].mean(0) - hits["without"].mean(0))
            concepts = found["with"][0].asked["text_to_image", "all"].concepts
            changes += change.tolist()
            asked += concepts
            seconds = {way: np.mean([run.record.costs.wall_s for run in runs]) for way, runs in found.items()}
            rows.append(
                (
                    lang,
                    str(len(concepts)),
                    *(" ".join(f"{100 * one.mean():.1f}" for one in hits[way]) for way in WAYS),
                    _interval(change, concepts),
                    f"{seconds['with'] / seconds['without']:.2f} ×",
                )
            )
        # A concept is the same in all languages: its queries are drawn together.
        rows.append(("all three", str(len(asked)), "", "", _interval(np.array(changes), asked), ""))
    show(("language", "queries", "R@10 by seed, %", "with the bridge", "difference, points", "time of training"), rows)


def _interval(change: NDArray[np.float64], concepts: Sequence[str]) -> str:
    low, high = bootstrap_interval(change, clusters=concepts)
    return f"{change.mean():+.1f} [{low:+.1f}, {high:+.1f}]"


def _hits(run: results.Run) -> NDArray[np.bool_]:
    return np.asarray(run.asked["text_to_image", "all"].values("recall_at_10"), dtype=bool)
