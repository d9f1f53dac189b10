from __future__ import annotations

import csv
import html
import json
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import mlilt
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import record
from mlilt.comparison import Comparison, grid, words
from mlilt.training import corpus


def ranks(run: Path, direction: str, language: str = "sw") -> list[int]:
    lines = map(json.loads, (run / record.QUERIES).read_text(encoding="utf-8").splitlines())
    return [li["ranks"]["all"] for li in lines if (li["direction"], li["language"]) == (direction, language)]


def change(run: Path, **settings: object) -> None:
    """Changes settings in a run's record."""
    path = run / record.RECORD
    about = json.loads(path.read_text(encoding="utf-8"))
    about["config"] |= settings
    path.write_text(json.dumps(about), encoding="utf-8")


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
        assert (line["strategy"], line["vision_strategy"], line["vision_lr"]) == (own.strategy, "frozen", "")
        assert int(line["trained_text"]) == row["trained_text"] == own.trained
        assert int(line["trained_vision"]) == row["trained_vision"] == 0
        label = words.label(comparison.groups[0], own)
        shown = next(text for text in markdown.splitlines() if text.startswith(f"| {label} | "))
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


def test_joint_runs_are_reported_in_each_language(joint: tuple[Comparison, Path, Path], two_languages: Path) -> None:
    comparison, runs, out = joint
    assert not comparison.failures
    assert [p.name for p in runs.iterdir()] == ["sw+yo-bitfit_layernorm-s0"]
    assert [group.language for group in comparison.groups] == ["sw", "yo"]
    page = (out / "index.html").read_text(encoding="utf-8")
    for group, name in zip(comparison.groups, ("Swahili", "Yoruba"), strict=True):
        [row] = group.rows
        assert (row.strategy, row.vision_strategy) == ("bitfit", "layernorm")
        assert row.trained_vision > 0
        found = ranks(group.runs[0].folder, "text_to_image", group.language)
        assert row.figures["text_to_image"]["mrr"].value == pytest.approx(sum(1 / r for r in found) / len(found))
        for example in group.runs[0].record.examples[group.language]:
            assert f'lang="{group.language}">{html.escape(example.query, quote=False)}<' in page
        assert f"<h2>{name}, trained together with " in page


@pytest.mark.parametrize(
    ("lang", "found"),
    [((), ["sw", "yo"]), ("yo", ["yo"]), (("sw", "yo"), ["sw", "yo"]), ("sw+yo", ["sw", "yo"])],
)
def test_a_language_picks_its_groups(
    joint: tuple[Comparison, Path, Path], tmp_path: Path, lang: str | tuple[str, ...], found: list[str]
) -> None:
    assert [group.language for group in mlilt.compare(lang, runs=joint[1], out=tmp_path).groups] == found


def test_runs_of_other_settings_are_not_compared(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    _, runs, _ = compared
    shutil.copytree(runs, tmp_path / "runs")
    change(tmp_path / "runs" / "sw-full-s1", epochs=7)
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
    change(tmp_path / "runs" / "sw-layernorm-s1", lr=1e-5)
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


@pytest.mark.parametrize(
    ("asked", "there", "added"),
    [
        # LiT for a frozen vision tower, CLIP for one that trains; the other where the fitting one is not there.
        (["layernorm"], ["lit", "clip"], {("full", "frozen")}),
        (["layernorm/layernorm"], ["lit", "clip"], {("full", "full")}),
        (["layernorm", "layernorm/layernorm"], ["lit", "clip"], {("full", "frozen"), ("full", "full")}),
        (["layernorm/layernorm"], ["lit"], {("full", "frozen")}),
        (["layernorm"], ["clip"], {("full", "full")}),
        # Where full-model training was asked for, it is what was asked for.
        (["layernorm", "clip"], ["lit", "clip"], set()),
    ],
)
def test_of_the_full_runs_that_are_there_the_fitting_ones_are_added(
    write_run: Callable[..., Path],
    small_sw: Prepared,
    tmp_path: Path,
    asked: list[str],
    there: list[str],
    added: set[tuple[str, str]],
) -> None:
    data = str(small_sw.folder)
    wanted = {}
    for name in dict.fromkeys([*asked, *there]):
        [config] = grid.expand(["sw"], [name], 1, {"data": data})
        wanted[name] = config.strategy, config.vision_strategy
        # All is there, so that nothing is trained.
        write_run({"sw": [1, 20]}, data_sha256=corpus.digest(config), **config.outcome())
    [group] = mlilt.compare("sw", asked, 1, tmp_path / "runs", tmp_path / "out", progress=False, data=data).groups
    rows = {(row.strategy, row.vision_strategy) for row in group.rows}
    assert rows == {wanted[name] for name in asked} | added


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


def test_a_run_of_an_older_format_is_named_with_what_to_do(
    compared: tuple[Comparison, Path, Path], tmp_path: Path
) -> None:
    _, runs, _ = compared
    shutil.copytree(runs, tmp_path / "runs")
    path = tmp_path / "runs" / "sw-full-s0" / record.RECORD
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 3', '"format": 2', 1), encoding="utf-8")
    [failure] = mlilt.compare(runs=tmp_path / "runs", out=tmp_path / "out").failures
    assert failure.run == "sw-full-s0"
    assert "of another version of mlilt (format: " in failure.reason
    assert "--force" in failure.reason


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
        ({"lang": "sw", "strategy": ["layernorm/layernrm"]}, "Did you mean layernorm?"),
        ({"lang": "yoo+sw", "strategy": ["full"]}, "Did you mean yo?"),
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
