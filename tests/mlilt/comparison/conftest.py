from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlilt
from data_prep.pipeline import Prepared
from mlilt import config as configs
from mlilt import record
from mlilt.comparison import Comparison
from mlilt.config import RunConfig
from mlilt.record import Costs, Direction, Interval, Retrieval, RunRecord, Tower, Trained
from tests.conftest import Once


@pytest.fixture(scope="session")
def compared(small_sw: Prepared, once: Once) -> tuple[Comparison, Path, Path]:
    """A comparison of two strategies with two seeds each, one epoch, on real data and towers; (it, runs, report)."""
    strategies = ("layernorm", "full")
    return _compared(once, "compared", "sw", strategies, 2, epochs=1, data=str(small_sw.folder))


def _compared(once: Once, name: str, *what: Any, **settings: Any) -> tuple[Comparison, Path, Path]:
    """Compares, once for all test processes; (what came of it, runs, report)."""

    def compare(root: Path) -> None:
        comparison = mlilt.compare(*what, root / "runs", root / "report", progress=False, **settings)
        (root / "comparison").write_bytes(pickle.dumps(comparison))

    root = once(name, compare)
    return pickle.loads((root / "comparison").read_bytes()), root / "runs", root / "report"


@pytest.fixture(scope="session")
def two_languages(once: Once) -> Path:
    """A folder that holds the data sets of Swahili and Yoruba in miniature: 20 concepts of each source."""

    def prepare(folder: Path) -> None:
        for code in ("sw", "yo"):
            mlilt.prepare(code, limit=20, out=folder / code, progress=False)

    return once("together", prepare)


@pytest.fixture(scope="session")
def joint(two_languages: Path, once: Once) -> tuple[Comparison, Path, Path]:
    """A run of two languages together, in which the vision tower trains too; as `compared`."""
    settings = {"epochs": 1, "batch_size": 32, "data": str(two_languages)}
    return _compared(once, "joint", "sw+yo", "bitfit/layernorm", 1, **settings)


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a finished run without training one.

    Its ranks are given by language, a query of each direction each, and the same in both; other arguments are settings.
    """

    def write(
        ranks: dict[str, list[int]],
        *,
        name: str = "",
        runs: Path = tmp_path / "runs",
        data_sha256: str = "ab",
        processes: int = 1,
        **settings: Any,
    ) -> Path:
        complete = {"lang": "+".join(ranks), "vision_strategy": "frozen", "lr": 1e-3, "chunk_size": 512}
        config = RunConfig(**{**complete, **settings})
        counts: dict[str, dict[str, int]] = {"frozen": {}, "full": {"a": 400, "b": 100}}
        folder = runs / (name or config.name)
        folder.mkdir(parents=True)
        figure = Interval(value=0.5, low=0.0, high=1.0)
        lines = []
        results = {}
        for language, places in ranks.items():
            direction = Direction(
                queries=len(places),
                pool=100,
                chance_recall_at_10=0.1,
                recall_at_1=figure,
                recall_at_5=figure,
                recall_at_10=figure,
                median_rank=figure,
                mrr=figure,
                ndcg_at_10=figure,
            )
            results[language] = {"all": Retrieval(text_to_image=direction, image_to_text=direction)}
            lines += [
                {
                    "language": language,
                    "direction": way,
                    "query": f"{n}",
                    "concept": f"c{n}",
                    "category": "animals" if n % 2 else "food",
                    **({"tokens": 3 + n} if way == "text_to_image" else {}),
                    "ranks": {"all": place},
                    "ndcg": {"all": 1 / math.log2(place + 1) if place <= 10 else 0.0},
                }
                for way in ("text_to_image", "image_to_text")
                for n, place in enumerate(places)
            ]
        about = RunRecord(
            name=folder.name,
            finished="2026-01-02T03:04:05+00:00",
            config=config,
            data_sha256=data_sha256,
            data_pictures={"train": 5, "validation": 1, "test": 100},
            text=Tower(name=config.text, sha256="cd", parameters=1000),
            vision=Tower(name=config.vision, sha256="ef", parameters=500),
            vocabulary=10,
            trained=Trained(
                text=counts.get(config.strategy, {"a": 60, "b": 40}),
                text_total=1000,
                vision=counts.get(config.vision_strategy or "", {"c": 50}),
                vision_total=500,
                projections=20,
            ),
            weights_sha256="01",
            temperature=0.07,
            device="cpu",
            precision="float32",
            processes=processes,
            machine={"cpu": "x", "cores": 2, "gpu": None},
            versions={"torch": "2"},
            costs=Costs(
                wall_s=2.0, cpu_s=3.0, setup_s=1.0, evaluation_s=0.5, pairs=300, captions=100, steps=4,
                peak_rss_bytes=7, peak_cuda_bytes=None, saved_bytes=9,
            ),
            validation=[],
            results=results,
            examples={language: [] for language in ranks},
            confusions={language: [] for language in ranks},
        )  # fmt: skip
        configs.write(config, folder / record.CONFIG)
        (folder / record.QUERIES).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        record.write(about, folder)
        return folder

    return write
