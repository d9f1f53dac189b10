"""Encoding alone, with the same towers: captions by open_clip, sentence-transformers, transformers and mlilt, and
pictures, decoding included, by open_clip, timm and mlilt. In turn, after a first round.

All take batches of 128, in float32 and in bfloat16. That the same comes out is checked first: vectors of captions
before any projection, but open_clip's, which has one of its own.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import open_clip
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cosine_similarity

from benchmarks._table import show, spread
from benchmarks.peers import _bert, _prepare, _work
from benchmarks.peers._work import Work
from mlilt import config as configs
from mlilt import model
from mlilt.towers import text, vision
from mlilt.training import features

ROUNDS = 3
PICTURES = 512
CPU = torch.device("cpu")
MINE = "mlilt"

Way = Callable[[Sequence[Any], torch.dtype], Tensor]


def run(limit: int | None = None, rounds: int = ROUNDS) -> None:
    """Prints captions and pictures a second of each."""
    with tempfile.TemporaryDirectory() as folder:
        work = _prepare.make(Path(folder), limit=limit)
        rows = work.rows()
        captions = list(dict.fromkeys(row["title"] for row in rows))
        pictures = [Path(row["filepath"]) for row in rows[:PICTURES]]
        _compare("captions", _of_text(work), captions, rounds, like=[MINE, "transformers", "sentence-transformers"])
        _compare("pictures", _of_pictures(work), pictures, rounds, like=[])


def _compare(what: str, ways: dict[str, Way], items: Sequence[Any], rounds: int, like: Sequence[str]) -> None:
    expected = ways[MINE](items[:64], torch.float32)
    for name in like:
        assert cosine_similarity(ways[name](items[:64], torch.float32), expected).min() > 0.9999, name
    rates: dict[tuple[str, torch.dtype], list[float]] = {}
    for number in range(rounds + 1):
        for dtype in (torch.float32, torch.bfloat16):
            for name, way in ways.items():
                started = time.perf_counter()
                found = way(items, dtype)
                seconds = time.perf_counter() - started
                assert len(found) == len(items)
                if number:
                    rates.setdefault((name, dtype), []).append(len(items) / seconds)
    rows = []
    for (name, dtype), found_rates in rates.items():
        ratio = median(rates[MINE, dtype]) / median(found_rates)
        rows.append((name, str(dtype).removeprefix("torch."), spread(found_rates), f"{ratio:.1f}"))
    print(f"{len(items):,} {what}\n")
    show(("", "precision", f"{what}/s, median (range)", "mlilt is times as fast"), rows)
    print()


@contextlib.contextmanager
def _products_in(dtype: torch.dtype) -> Iterator[None]:
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        yield


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _work.BATCH):
        yield items[start : start + _work.BATCH]


def _of_text(work: Work) -> dict[str, Way]:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import AutoTokenizer, BertModel

    config = configs.make({"lang": "sw", "strategy": configs.FROZEN})
    dual, _, _ = model.assemble(config, text.load(progress=False), vision.load(progress=False))

    def mine(captions: Sequence[str], dtype: torch.dtype) -> Tensor:
        return model.encode_captions(dual, captions, dtype, projected=False)

    clip = open_clip.create_model(f"local-dir:{work.towers}").eval()
    tokenize = open_clip.get_tokenizer(f"local-dir:{work.towers}")

    def clips(captions: Sequence[str], dtype: torch.dtype) -> Tensor:
        with _products_in(dtype):
            return torch.cat([clip.encode_text(tokenize(list(batch))).float() for batch in _batches(captions)])

    bert, tokenizer = BertModel.from_pretrained(work.towers).eval(), AutoTokenizer.from_pretrained(work.towers)

    def plain(captions: Sequence[str], dtype: torch.dtype) -> Tensor:
        found = []
        with _products_in(dtype):
            for batch in _batches(captions):
                inputs = tokenizer(list(batch), padding=True, return_tensors="pt")
                found.append(_bert.pooled(bert, inputs))
        return torch.cat(found)

    language = Transformer(work.towers)
    sentences = SentenceTransformer(modules=[language, Pooling(language.get_embedding_dimension())], device="cpu")

    def sorted_(captions: Sequence[str], dtype: torch.dtype) -> Tensor:
        with _products_in(dtype):
            found: Tensor = sentences.encode(list(captions), batch_size=_work.BATCH, convert_to_tensor=True)
            return found.float()

    return {MINE: mine, "open_clip": clips, "transformers": plain, "sentence-transformers": sorted_}


def _of_pictures(work: Work) -> dict[str, Way]:
    import timm

    eyes = vision.load(progress=False)

    def mine(pictures: Sequence[Path], dtype: torch.dtype) -> Tensor:
        return torch.cat(list(features.encode(eyes, pictures, CPU, dtype)))

    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=eyes.model))

    def plain(pictures: Sequence[Path], dtype: torch.dtype) -> Tensor:
        with _products_in(dtype):
            return torch.cat([eyes.model(torch.stack([*map(look, batch)])).float() for batch in _batches(pictures)])

    def look(path: Path) -> Tensor:
        found: Tensor = transform(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))
        return found

    clip, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{work.towers}")
    clip.eval()

    def clips(pictures: Sequence[Path], dtype: torch.dtype) -> Tensor:
        with _products_in(dtype):
            return torch.cat(
                [
                    clip.encode_image(torch.stack([preprocess(Image.open(path)) for path in batch])).float()
                    for batch in _batches(pictures)
                ]
            )

    return {MINE: mine, "timm": plain, "open_clip": clips}


if __name__ == "__main__":
    run()
