"""A run's table at the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from mlilt.cli import _tables
from mlilt.config import RunConfig
from mlilt.record import Costs, Direction, Interval, Retrieval, RunRecord, Tower, Trained


def shown(lang: str = "sw", processes: int = 1, vision: dict[str, int] | None = None, **settings: Any) -> str:
    figure = Interval(value=0.5, low=0.25, high=0.75)
    direction = Direction(
        queries=3, pool=7, chance_recall_at_10=0.5, recall_at_1=figure, recall_at_5=figure, recall_at_10=figure,
        median_rank=figure, mrr=figure, ndcg_at_10=figure,
    )  # fmt: skip
    both = Retrieval(text_to_image=direction, image_to_text=direction)
    record = RunRecord(
        name="run",
        finished="2026-01-02T03:04:05+00:00",
        config=RunConfig(lang=lang, **settings),
        data_sha256="ab",
        data_pictures={},
        text=Tower(name="e5-small", sha256="cd", parameters=1000),
        vision=Tower(name="efficientnet-lite0", sha256="ef", parameters=500),
        vocabulary=9,
        trained=Trained(text={"a": 100}, text_total=1000, vision=vision or {}, vision_total=500, projections=20),
        weights_sha256="01",
        temperature=0.07,
        device="cpu",
        precision="float32",
        processes=processes,
        machine={},
        versions={},
        costs=Costs(
            wall_s=2.0, cpu_s=3.0, setup_s=1.0, evaluation_s=0.5, pairs=300, captions=100, steps=4,
            peak_rss_bytes=None, peak_cuda_bytes=None, saved_bytes=9,
        ),
        validation=[],
        results={code: {"all": both, "flags": both} for code in lang.split("+")},
        examples={},
        confusions={},
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=160, highlight=False)
    _tables.show_run(console, record, "runs/run")
    assert isinstance(console.file, io.StringIO)
    return " ".join(console.file.getvalue().split())


def test_a_run_of_one_language_is_shown_by_source() -> None:
    said = shown()
    assert said.startswith("Swahili, layernorm: test split")
    assert "language" not in said
    assert said.count("flags") == 1
    assert "50.0 [25.0, 75.0]" in said
    assert (
        "Trained 100 of 1 k parameters of the text tower and 21 of the projections (7.96 % of both towers) in 2 s"
        in said
    )
    assert "processes" not in said


def test_several_languages_have_a_column() -> None:
    said = shown("sw+yo")
    assert said.startswith("Swahili, Yoruba, layernorm: test split")
    assert "language" in said
    assert (said.count("Swahili"), said.count("Yoruba")) == (2, 2)
    assert said.count("flags") == 2


@pytest.mark.parametrize(("processes", "words"), [(1, "(10.45 % of both towers) in 2 s"), (2, "in 2 processes")])
def test_what_trains_of_the_vision_tower_is_counted(processes: int, words: str) -> None:
    said = shown(vision={"b": 38}, vision_strategy="bitfit", processes=processes)
    assert said.startswith("Swahili, layernorm/bitfit: test split")
    assert "100 of 1 k parameters of the text tower, 38 of 500 parameters of the vision tower and 21 of" in said
    assert words in said
