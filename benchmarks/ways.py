"""What ways of being fast bring: training steps of the same run with and without each, in turn, on Swahili.

Two epochs a run; steps are those of the second one, and the first step is given by itself, for what is compiled is
compiled then. Where captions are not in one row, they are padded in groups of like lengths.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import mlilt
from benchmarks._table import show, spread
from mlilt import record
from mlilt.strategies import _low_rank
from mlilt.towers import packing, text
from mlilt.training import lanes, loop

ROUNDS = 3


@dataclass(frozen=True)
class Way:
    """Settings of the run, and what is done to it to have the other one: taken away or, of what is off, added."""

    name: str
    strategy: str
    change: Callable[[], AbstractContextManager[Any]] = nullcontext
    settings: dict[str, Any] = field(default_factory=dict)


WAYS = (
    Way("captions padded, not in one row", "layernorm", lambda: patch.object(packing, "fits", lambda _: False)),
    Way("rows as long as their tokens, not filled up", "layernorm", lambda: patch.object(packing, "_filled", int)),
    Way(
        "norms and residuals in float32, not bfloat16",
        "layernorm",
        lambda: patch.object(text, "_in_precision_of_products", lambda *_: None),
    ),
    Way("captions in one thread, not two lanes", "layernorm", lambda: patch.object(lanes, "_LANES", 1 << 20)),
    Way("lanes that switch as seldom as Python does", "layernorm", lambda: patch.object(lanes, "_SWITCH_S", 5e-3)),
    Way("frozen weights in float32, cast in each step", "layernorm", lambda: patch.object(loop, "store_frozen")),
    Way(
        "the whole word embedding trains, not the rows within reach",
        "full",
        lambda: patch.object(loop._Run, "_reduce_embedding", lambda *_: None),
    ),
    Way("LoRA's products by peft's own layers", "lora", lambda: patch.object(_low_rank, "speed_up")),
    # Its gradients have to go through the blocks below too.
    Way("norms of all blocks train too", "last-k", settings={"strategy": "layernorm+last-k"}),
    Way("towers compiled by torch", "layernorm", settings={"compile": True}),
    Way("towers compiled by torch", "full", settings={"compile": True}),
)


def run() -> None:
    """Prints a line for each way."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        prepared = mlilt.prepare("sw", out=Path(folder) / "sw", progress=False)
        base: dict[str, Any] = {
            "lang": "sw",
            "data": str(prepared.folder),
            "epochs": 2,
            "min_steps": 0,
            "progress": False,
        }
        mlilt.train(**base, strategy="frozen", out=Path(folder) / "warm")
        for place, way in enumerate(WAYS):
            taken: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
            for number in range(ROUNDS):
                for changed, found in taken.items():
                    out = Path(folder) / f"{place}-{number}-{changed}"
                    more = way.settings if changed else {}
                    with way.change() if changed else nullcontext():
                        mlilt.train(**{**base, "strategy": way.strategy, **more}, out=out)
                    found.append(_taken(out))
            (first, each), (other_first, other_each) = (zip(*taken[changed], strict=True) for changed in (False, True))
            rows.append(
                (
                    way.name,
                    way.strategy,
                    spread(each, 2),
                    spread(other_each, 2),
                    f"{median(other_each) / median(each):.2f}",
                    f"{median(first):.1f}",
                    f"{median(other_first):.1f}",
                )
            )
    header = ("changed", "strategy", "ms a caption, as it is", "changed", "ratio", "first step, s, as it is", "changed")
    show(header, rows)


def _taken(out: Path) -> tuple[float, float]:
    """Seconds of the first step, and milliseconds a caption in the second epoch."""
    lines = [json.loads(line) for line in (out / record.METRICS).read_text(encoding="utf-8").splitlines()]
    steps = [line for line in lines if "step" in line]
    half, last = steps[len(steps) // 2 - 1], steps[-1]
    return steps[0]["wall_s"], 1e3 * (last["wall_s"] - half["wall_s"]) / (last["captions"] - half["captions"])
