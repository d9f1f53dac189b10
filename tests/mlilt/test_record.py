"""A run's record: written and read back as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_prep.errors import UserError
from mlilt import config, record
from mlilt.config import RunConfig
from mlilt.record import Costs, Direction, Found, Interval, Retrieval, RunRecord, Tower, Trained

INTERVAL = Interval(value=0.1 + 0.2, low=1 / 3, high=0.9)
DIRECTION = Direction(
    queries=3,
    pool=7,
    chance_recall_at_10=0.5,
    recall_at_1=INTERVAL,
    recall_at_5=INTERVAL,
    recall_at_10=INTERVAL,
    median_rank=INTERVAL,
    mrr=INTERVAL,
    ndcg_at_10=INTERVAL,
)
RECORD = RunRecord(
    name="sw+yo-lora_bitfit-s0",
    finished="2026-01-02T03:04:05+00:00",
    config=RunConfig(lang="sw+yo", strategy="lora", vision_strategy="bitfit", lr=1e-3, data="C:\\sets"),
    data_sha256="ab",
    data_pictures={"train": 5, "validation": 1, "test": 1},
    text=Tower(name="e5-small", sha256="cd", parameters=100),
    vision=Tower(name="efficientnet-lite0", sha256="ef", parameters=50),
    vocabulary=9,
    trained=Trained(text={"a": 6, "b": 4}, text_total=100, vision={"c": 5}, vision_total=50, projections=20, scalars=2),
    weights_sha256="01",
    temperature=1 / 15,
    device="cpu",
    precision="float32",
    processes=2,
    machine={"cpu": "x", "cores": 2, "gpu": None},
    versions={"torch": "2"},
    costs=Costs(
        wall_s=2.0, cpu_s=3.0, setup_s=1.0, evaluation_s=0.5, pairs=300, captions=100, steps=4,
        peak_rss_bytes=None, peak_cuda_bytes=None, saved_bytes=9, flops_per_pair=1e9 / 3, energy_kwh=None,
        energy_source=None,
    ),
    validation=[{"epoch": 1.0, "text_to_image_mrr": 1 / 7}],
    results={code: {"all": Retrieval(text_to_image=DIRECTION, image_to_text=DIRECTION)} for code in ("sw", "yo")},
    examples={
        "sw": [
            Found(
                query="mbwa", english="dog", concept="dog", images=["1", "2"], right=[True, False], rank=1, answer="1"
            )
        ],
        "yo": [],
    },
    confusions={"sw": [], "yo": []},
)  # fmt: skip


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    record.write(RECORD, tmp_path)
    assert record.read(tmp_path) == RECORD
    assert [p.name for p in tmp_path.iterdir()] == [record.RECORD]


def test_shares_and_rates_follow_from_the_counts() -> None:
    assert RECORD.trained.count == 6 + 4 + 5
    assert RECORD.trained.share == pytest.approx((15 + 20 + 2) / (100 + 50 + 20 + 2))
    assert RECORD.costs.pairs_per_s == 150
    assert RECORD.costs.captions_per_s == 50


def test_a_folder_without_a_run_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no run\. `mlilt train"):
        record.read(tmp_path / "nothing")


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path) -> None:
    config.write(RECORD.config, tmp_path / record.CONFIG)
    with pytest.raises(UserError, match=r"a run that is not finished: go on with `mlilt train --resume`"):
        record.read(tmp_path)


@pytest.mark.parametrize(
    ("find", "replace", "said"),
    [
        ('"pairs":300', '"pairs":300,"mood":"good"', "costs.mood"),
        ('"format":3', '"format":4', "format"),
        ('"name":', '"nom":', "name"),
        ("}", "", "JSON"),
    ],
)
def test_a_record_that_was_tampered_with_or_is_of_another_format_is_refused(
    tmp_path: Path, find: str, replace: str, said: str
) -> None:
    plain = RECORD.model_dump_json()
    assert find in plain
    (tmp_path / record.RECORD).write_text(plain.replace(find, replace, 1), encoding="utf-8")
    with pytest.raises(UserError, match=rf"record\.json is damaged, or of another version .*{said}"):
        record.read(tmp_path)


def test_a_record_of_the_first_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    plain = RECORD.model_dump(mode="json")
    old = {key: value for key, value in plain.items() if key not in ("vocabulary", "processes")} | {
        "format": 1,
        "trained": {"tower": {"a": 6}, "tower_total": 100, "projections": 20, "temperature": 1},
        "results": plain["results"]["sw"],
        "examples": plain["examples"]["sw"],
    }
    (tmp_path / record.RECORD).write_text(json.dumps(old), encoding="utf-8")
    with pytest.raises(UserError, match=r"of another version of mlilt \(format: .*\. Train the run again with --force"):
        record.read(tmp_path)
