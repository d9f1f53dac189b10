from __future__ import annotations

import csv
import json
import shutil
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

import mlilt
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import record
from mlilt.comparison import Comparison, grid, words


def ranks(run: Path, direction: str) -> list[int]:
    lines = map(json.loads, (run / record.QUERIES).read_text(encoding="utf-8").splitlines())
    return [line["ranks"]["all"] for line in lines if line["direction"] == direction]


def test_trains_what_is_asked_for_and_groups_it(compared: tuple[Comparison, Path, Path]) -> None:
    comparison, runs, _ = compared
    assert not comparison.failures
    assert sorted(p.name for p in runs.iterdir()) == [f"sw-{s}-s{n}" for s in ("full", "layernorm") for n in (0, 1)]
    [group] = comparison.groups
    assert [(row.strategy, row.seeds) for row in group.rows] == [("layernorm", [0, 1]), ("full", [0, 1])]
    assert group.rows[0].trained < group.rows[1].trained


def test_figures_are_those_of_the_ranks(compared: tuple[Comparison, Path, Path]) -> None:
    comparison, runs, _ = compared
    reached = {}
    for row in comparison.groups[0].rows:
        for direction in ("text_to_image", "image_to_text"):
            seeds = [ranks(runs / f"sw-{row.strategy}-s{n}", direction) for n in row.seeds]
            for k in (1, 5, 10):
                expected = sum(r <= k for seed in seeds for r in seed) / sum(map(len, seeds))
                found = row.figures[direction][f"recall_at_{k}"]
                assert found.value == pytest.approx(expected)
                assert found.low <= found.value <= found.high
            mrr = sum(1 / r for seed in seeds for r in seed) / sum(map(len, seeds))
            assert row.figures[direction]["mrr"].value == pytest.approx(mrr)
            reached[row.strategy, direction] = row.figures[direction]["recall_at_10"].value
    layernorm, full = comparison.groups[0].rows
    assert full.difference is None
    assert layernorm.difference is not None
    for direction, difference in layernorm.difference.items():
        expected = 100 * (reached["layernorm", direction] - reached["full", direction])
        assert difference.interval.value == pytest.approx(expected)
        low, high = difference.interval.low, difference.interval.high
        assert difference.verdict == ("better" if low > 0 else "worse" if high < 0 else "no difference shown")
    share = reached["layernorm", "text_to_image"] / reached["full", "text_to_image"]
    assert layernorm.share_of_full == pytest.approx(share)


def test_files_agree(compared: tuple[Comparison, Path, Path]) -> None:
    comparison, _, out = compared
    rows = json.loads((out / "results.json").read_text(encoding="utf-8"))["groups"][0]["rows"]
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    markdown = (out / "report.md").read_text(encoding="utf-8")
    for row, line, own in zip(rows, lines, comparison.groups[0].rows, strict=True):
        value = own.figures["text_to_image"]["recall_at_10"].value
        assert row["figures"]["text_to_image"]["recall_at_10"]["value"] == value
        assert float(line["text_to_image_recall_at_10"]) == value
        assert line["strategy"] == own.strategy
        shown = next(text for text in markdown.splitlines() if text.startswith(f"| {own.strategy} | "))
        assert shown == "| " + " | ".join(words.cells(comparison.groups[0], own)) + " |"
        assert f"{100 * value:.1f} [" in shown


def test_second_time_nothing_is_trained(
    compared: tuple[Comparison, Path, Path], small_sw: Prepared, tmp_path: Path
) -> None:
    _, runs, _ = compared
    before = {p: p.stat().st_mtime_ns for p in runs.glob("*/*") if p.name != ".lock"}
    mlilt.compare(
        "sw", ("layernorm", "full"), 2, runs, tmp_path / "out", progress=False, epochs=1, data=str(small_sw.folder)
    )
    assert {p: p.stat().st_mtime_ns for p in runs.glob("*/*") if p.name != ".lock"} == before
    again = mlilt.compare(runs=runs, out=tmp_path / "read")
    assert [row.strategy for row in again.groups[0].rows] == ["layernorm", "full"]


def test_runs_of_other_settings_are_not_compared(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    _, runs, _ = compared
    shutil.copytree(runs, tmp_path / "runs")
    path = tmp_path / "runs" / "sw-full-s1" / record.RECORD
    about = json.loads(path.read_text(encoding="utf-8"))
    about["config"]["epochs"] = 7
    path.write_text(json.dumps(about), encoding="utf-8")
    groups = mlilt.compare(runs=tmp_path / "runs", out=tmp_path / "out").groups
    found = {(g.setting["epochs"], row.strategy, tuple(row.seeds)) for g in groups for row in g.rows}
    assert found == {(1, "layernorm", (0, 1)), (1, "full", (0,)), (7, "full", (1,))}


def test_a_run_that_repeats_another_is_left_out_and_said_to_be(
    compared: tuple[Comparison, Path, Path], tmp_path: Path
) -> None:
    _, runs, _ = compared
    shutil.copytree(runs, tmp_path / "runs")
    shutil.copytree(runs / "sw-full-s1", tmp_path / "runs" / "sw-full-zz")
    [group] = mlilt.compare(runs=tmp_path / "runs", out=tmp_path / "out").groups
    assert [row.seeds for row in group.rows] == [[0, 1], [0, 1]]
    assert group.repetitions == ["sw-full-zz (= sw-full-s1)"]
    assert "sw-full-zz" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_another_learning_rate_is_another_row(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    _, runs, _ = compared
    shutil.copytree(runs, tmp_path / "runs")
    path = tmp_path / "runs" / "sw-layernorm-s1" / record.RECORD
    about = json.loads(path.read_text(encoding="utf-8"))
    about["config"]["lr"] = 1e-5
    path.write_text(json.dumps(about), encoding="utf-8")
    [group] = mlilt.compare(runs=tmp_path / "runs", out=tmp_path / "out").groups
    assert {(row.strategy, row.lr, tuple(row.seeds)) for row in group.rows} == {
        ("layernorm", 1e-5, (1,)),
        ("layernorm", 3e-3, (0,)),
        ("full", 1e-4, (0, 1)),
    }
    assert "layernorm (lr 1e-05)" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_full_runs_that_are_there_are_what_another_strategy_is_held_against(
    compared: tuple[Comparison, Path, Path], small_sw: Prepared, tmp_path: Path
) -> None:
    _, runs, _ = compared
    [group] = mlilt.compare(
        "sw", "layernorm", 2, runs, tmp_path, progress=False, epochs=1, data=str(small_sw.folder)
    ).groups
    assert [row.strategy for row in group.rows] == ["layernorm", "full"]
    assert group.rows[0].difference is not None


def test_data_prepared_anew_gets_runs_of_its_own(compared: tuple[Comparison, Path, Path]) -> None:
    comparison, runs, _ = compared
    about = comparison.groups[0].runs[0].record
    assert grid.place(about.config, about.data_sha256, runs) == runs / about.name
    other = grid.place(about.config, "0" * 64, runs)
    assert other.name.startswith(f"{about.name}-")
    assert not other.exists()


def test_a_damaged_run_is_named_and_the_rest_compared(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    _, runs, _ = compared
    shutil.copytree(runs, tmp_path / "runs")
    (tmp_path / "runs" / "sw-full-s1" / record.RECORD).write_text("{", encoding="utf-8")
    comparison = mlilt.compare(runs=tmp_path / "runs", out=tmp_path / "out")
    [failure] = comparison.failures
    assert failure.run == "sw-full-s1"
    assert "Train the run again" in failure.reason
    assert [row.seeds for row in comparison.groups[0].rows] == [[0, 1], [0]]
    assert "sw-full-s1" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_without_full_training_the_report_says_so(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    _, runs, _ = compared
    shutil.copytree(runs / "sw-layernorm-s0", tmp_path / "runs" / "sw-layernorm-s0")
    comparison = mlilt.compare(runs=tmp_path / "runs", out=tmp_path / "out")
    assert comparison.groups[0].rows[0].difference is None
    assert "--strategy full" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_a_killed_training_process_is_reported_and_the_rest_goes_on(small_sw: Prepared, tmp_path: Path) -> None:
    runs = tmp_path / "runs"

    def kill_first() -> None:
        while not (runs / "sw-full-s0" / record.CONFIG).exists():
            time.sleep(0.05)
        for child in psutil.Process().children():
            if "mlilt.comparison.worker" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_first, daemon=True)
    killer.start()
    comparison = mlilt.compare(
        "sw", ("full", "frozen"), 1, runs, tmp_path / "out", progress=False, epochs=1, data=str(small_sw.folder)
    )
    killer.join()
    [failure] = comparison.failures
    assert failure.run == "sw-full-s0"
    assert "SIGKILL" in failure.reason
    assert "--batch-size" in failure.reason
    assert [row.strategy for row in comparison.groups[0].rows] == ["frozen"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"lang": "sw", "strategy": ["layernrm"]}, "Did you mean layernorm?"),
        ({"lang": "sww", "strategy": ["full"]}, "Did you mean sw?"),
        ({"lang": "yo", "strategy": ["full"]}, "mlilt prep --lang yo"),
        ({"strategy": ["full"]}, "--lang sw"),
        ({"lang": "sw", "strategy": ["full"], "seeds": 0}, "--seeds"),
        ({"epochs": 3}, "--strategy"),
        ({"seeds": 3}, "--strategy"),
        ({}, "mlilt train --lang sw"),
    ],
)
def test_bad_requests_name_the_fix(workplace: Path, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        mlilt.compare(**arguments)  # type: ignore[arg-type]
