"""mlilt: each picture once an epoch with its caption, and as many pairs a step as for all.

Two pictures of one caption come in one step, in which the caption is encoded once.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.peers import _work
from benchmarks.peers._work import Work

STRATEGIES = ("full", "layernorm")
_SHARING = 2


def command(work: Work, epochs: int, strategy: str, tuned: bool, out: Path) -> list[str]:
    """It has no other settings to be tuned by."""
    settings = out / "settings.toml"
    settings.write_text(f"keyword_share = 0.0\npictures_per_caption = {_SHARING}\n", encoding="utf-8")
    return [
        *(sys.executable, "-m", "mlilt", "train", "--data", work.prepared, "--lang", Path(work.prepared).name),
        *("--strategy", strategy, "--epochs", str(epochs), "--batch-size", str(_captions(work))),
        *("--precision", "bf16", "--lr", str(_work.LEARNING_RATE)),
        *("--config", str(settings), "--out", str(out / "run"), "--offline"),
    ]


def _captions(work: Work) -> int:
    """Captions a step for as many pairs as the others have."""
    from mlilt import data

    entries = data.entries(data.read_rows(Path(work.prepared), "train"))
    captions = sum(-(-len(entry.rows) // _SHARING) for entry in entries)
    return round(_work.BATCH * captions / work.count)
