"""open_clip's own training program, its image tower locked."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.peers import _work
from benchmarks.peers._work import Work

STRATEGIES = ("full",)


def command(work: Work, epochs: int, strategy: str, tuned: bool, out: Path) -> list[str]:
    """As it comes with four processes that decode; tuned, with two and the short context.

    At its end it writes a checkpoint with the optimizer's state.
    """
    assert strategy in STRATEGIES
    return [
        *(sys.executable, "-m", "open_clip_train.main", "--model"),
        f"local-dir:{work.tuned if tuned else work.towers}",
        *("--train-data", work.pairs, "--dataset-type", "csv", "--lock-image", "--precision", "amp_bf16"),
        *("--batch-size", str(_work.BATCH), "--epochs", str(epochs), "--workers", "2" if tuned else "4"),
        *("--lr", str(_work.LEARNING_RATE), "--wd", str(_work.WEIGHT_DECAY)),
        *("--warmup", str(round(_work.WARMUP * work.steps(epochs)))),
        *("--save-frequency", "0", "--logs", str(out), "--device", "cpu"),
    ]
