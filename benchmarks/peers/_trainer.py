"""What the two contestants on transformers' Trainer have in common."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers import _work
from benchmarks.peers._work import Work


class Asked(NamedTuple):
    """What a pass is asked for; `out` is where it may write."""

    work: Work
    epochs: int
    tuned: bool
    out: Path


def command(module: str, work: Work, epochs: int, tuned: bool, out: Path) -> list[str]:
    """Runs a module that asks `asked`."""
    told = out / "work.json"
    work.write(told)
    return [sys.executable, "-m", module, str(told), str(epochs), *(["--tuned"] if tuned else [])]


def asked() -> Asked:
    """What `command` told this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("epochs", type=int)
    parser.add_argument("--tuned", action="store_true")
    given = parser.parse_args()
    return Asked(Work.read(given.work), given.epochs, given.tuned, given.work.parent)


def arguments(pass_: Asked) -> dict[str, Any]:
    """The Trainer's; tuned, two processes decode."""
    return {
        "output_dir": str(pass_.out),
        "per_device_train_batch_size": _work.BATCH,
        "num_train_epochs": pass_.epochs,
        "learning_rate": _work.LEARNING_RATE,
        "weight_decay": _work.WEIGHT_DECAY,
        "warmup_steps": round(_work.WARMUP * pass_.work.steps(pass_.epochs)),
        "lr_scheduler_type": "cosine",
        "bf16": True,
        "use_cpu": True,
        "dataloader_num_workers": 2 if pass_.tuned else 0,
        "dataloader_drop_last": True,
        "save_strategy": "no",
        "report_to": [],
    }
