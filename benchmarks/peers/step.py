"""The text tower's part of a training step alone: 128 captions, bfloat16, forwards, backwards and AdamW, in turn.

Captions come as token ids; what they are scored against are fixed vectors, so that no picture is computed. Peers pad to
the longest caption of the data (open_clip, its context cut to that) or of the batch (transformers, as
sentence-transformers' trainer does), and train the whole word embedding; all optimizers are fused.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks._table import show, spread
from benchmarks.peers import _bert, _prepare, _work
from benchmarks.peers._work import Work
from mlilt import config as configs
from mlilt import model
from mlilt.towers import embedding_rows, text, vision
from mlilt.training.device import store_frozen
from mlilt.training.optimizer import optimizer
from mlilt.training.resolve import resolve

ROUNDS = 3
BATCHES = 10


class Way:
    """A text tower with its optimizer.

    Args:
        tokenize: captions -> what `encode` takes; not timed.
        encode: -> vectors of shape (n, dim), of any length.
        descent: the optimizer.
    """

    def __init__(
        self,
        tokenize: Callable[[Sequence[str]], Any],
        encode: Callable[[Any], Tensor],
        descent: torch.optim.Optimizer,
    ) -> None:
        self._tokenize = tokenize
        self._encode = encode
        self._descent = descent

    def seconds(self, captions: Sequence[str], shown: Tensor) -> float:
        """What a step takes."""
        tokens = self._tokenize(captions)
        started = time.perf_counter()
        self._descent.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = self._encode(tokens)
        logits = functional.normalize(vectors.float(), dim=-1) @ shown.T / _work.TEMPERATURE
        right = torch.arange(len(logits))
        loss = functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)
        loss.backward()  # type: ignore[no-untyped-call]
        self._descent.step()
        return time.perf_counter() - started


def run(limit: int | None = None, rounds: int = ROUNDS) -> None:
    """Prints what a step takes of each."""
    with tempfile.TemporaryDirectory() as folder:
        work = _prepare.make(Path(folder), limit=limit)
        captions = [row["title"] for row in work.rows()]
        random.Random(0).shuffle(captions)
        batches = [captions[start : start + _work.BATCH] for start in range(0, len(captions), _work.BATCH)][:BATCHES]
        shown = functional.normalize(torch.randn(_work.BATCH, _work.DIM), dim=-1)
        ways = {
            "mlilt, full": _mine("full", captions),
            "mlilt, layernorm": _mine("layernorm", captions),
            "transformers, full": _transformers(work),
            "open_clip, full": _open_clip(work),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, way in ways.items():
                total = sum(way.seconds(batch, shown[: len(batch)]) for batch in batches)
                if number:
                    taken[name].append(total / len(batches))
    mine = [name for name in ways if name.startswith("mlilt")]
    show(
        ("", "ms a step, median (range)", *(f"times {name}" for name in mine)),
        [
            (
                name,
                spread([1e3 * seconds for seconds in found]),
                *(f"{median(found) / median(taken[one]):.2f}" for one in mine),
            )
            for name, found in taken.items()
        ],
    )


def _mine(strategy: str, captions: Sequence[str]) -> Way:
    config = resolve(configs.make({"lang": "sw", "strategy": strategy, "precision": "bf16", "dim": _work.DIM}))
    tower, eyes = text.load(progress=False), vision.load(progress=False)
    dual, _, _ = model.assemble(config, tower, eyes)
    reachable = sorted({token for ids in tower.tokenize(list(captions)) for token in ids})
    embedding_rows.train_rows(tower.encoder, torch.tensor(reachable))
    store_frozen(dual, torch.bfloat16)
    return Way(tower.tokenize, dual.encode_text, optimizer(dual, config))


def _transformers(work: Work) -> Way:
    from transformers import AutoTokenizer, BertModel

    bert, tokenizer = BertModel.from_pretrained(work.towers), AutoTokenizer.from_pretrained(work.towers)
    project = nn.Linear(bert.config.hidden_size, _work.DIM, bias=False)

    def encode(inputs: Any) -> Tensor:
        found: Tensor = project(_bert.pooled(bert, inputs))
        return found

    def tokenize(captions: Sequence[str]) -> Any:
        return tokenizer(list(captions), padding=True, return_tensors="pt")

    return Way(tokenize, encode, _adamw([*bert.parameters(), *project.parameters()]))


def _open_clip(work: Work) -> Way:
    clip = open_clip.create_model(f"local-dir:{work.tuned}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{work.tuned}")
    return Way(lambda captions: tokenizer(list(captions)), clip.encode_text, _adamw(clip.text.parameters()))


def _adamw(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=_work.LEARNING_RATE, weight_decay=_work.WEIGHT_DECAY, fused=True)


if __name__ == "__main__":
    run()
