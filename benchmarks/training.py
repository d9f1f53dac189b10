"""Training rate of layernorm and of the full text tower on Swahili: one epoch each, interleaved, after a first round.

"full, plain loop" is full training without what mlilt does for it: every batch padded to its longest caption, and the
whole word embedding with its 250,037 rows given gradient and AdamW's moments.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from unittest.mock import patch

import mlilt
from benchmarks._table import show, spread
from mlilt.record import RunRecord
from mlilt.towers import packing, text
from mlilt.training import loop

ROUNDS = 3
WAYS = {"layernorm": "layernorm", "full": "full", "full, plain loop": "full"}


@contextlib.contextmanager
def _plain() -> Iterator[None]:
    one_group = {"cpu": 10**9, "cuda": 10**9}
    with (
        patch.object(packing, "fits", lambda _: False),
        patch.object(text, "_GROUP_TOKENS", one_group),
        patch.object(loop._Run, "_reduce_embedding", lambda *_: None),
    ):
        yield


def run() -> None:
    """Prints captions and pairs a second; a caption comes with up to two pictures of its concept."""
    records: dict[str, list[RunRecord]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        prepared = mlilt.prepare("sw", out=Path(folder) / "sw", progress=False)
        for seed in range(ROUNDS + 1):
            for way, strategy in WAYS.items():
                with _plain() if "plain" in way else contextlib.nullcontext():
                    records[way].append(
                        mlilt.train(
                            "sw",
                            strategy=strategy,
                            epochs=1,
                            seed=seed,
                            data=str(prepared.folder),
                            out=Path(folder) / f"{way}-{seed}",
                            progress=False,
                        )
                    )
    captions = {way: [r.costs.captions_per_s for r in found[1:]] for way, found in records.items()}
    pairs = {way: [r.costs.pairs_per_s for r in found[1:]] for way, found in records.items()}
    reached = median(captions["layernorm"])
    show(
        ("", "captions/s, median (range)", "pairs/s, median (range)", "layernorm is", "target"),
        [
            (way, spread(captions[way]), spread(pairs[way]), f"{reached / median(captions[way]):.2f} ×", target)
            for way, target in zip(WAYS, ("200 pairs/s", "2 ×", ""), strict=True)
        ],
    )
