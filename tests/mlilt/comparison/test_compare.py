from __future__ import annotations

import csv
import html
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import Result
from typer.testing import CliRunner

import mlilt
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import record
from mlilt.cli.main import build
from mlilt.comparison import Comparison, grid, words
from mlilt.comparison import experiment as experiments
from mlilt.config import RunConfig
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
        better = "better" if expected > 0 else "worse"
        assert difference.verdict == (better if difference.p < 0.05 else "no difference shown")
    share = reached["layernorm", "text_to_image"] / reached["full", "text_to_image"]
    assert layernorm.share_of_full is not None
    assert layernorm.share_of_full.value == pytest.approx(share)


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
        assert f"<h3>{name}, trained together with " in page


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
        made = experiments.asked(None, ["sw"], [name], 1, [], {"data": data})
        [config] = experiments.configs(made)
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
        ({"experiment": "party"}, "Did you mean parity"),
        ({"experiment": "parity"}, "mlilt prep --lang yo"),
        ({"experiment": "parity", "seeds": 0}, "--seeds"),
        ({"lang": "sw", "strategy": ["full"], "epoch": 3}, "Did you mean epochs?"),
        ({"lang": "sw", "strategy": ["full"], "concepts": [50, 1]}, "concepts: Input should be greater"),
        ({"lang": "sw", "strategy": ["full"], "formats": ["htm"]}, "Did you mean html?"),
        ({"lang": "sw", "strategy": ["full"], "against": "runs/none"}, "no run"),
        ({"lang": "sw", "strategy": ["full"], "ask": "ynn"}, "Did you mean"),
        ({"seeds": 3}, "--strategy"),
        ({}, "mlilt train --lang sw"),
    ],
)
def test_bad_requests_name_the_fix(workplace: Path, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        mlilt.compare(**arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def own(
    two_languages: Path, xlmr_folder: Path, tiny_eyes: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with an experiment of one's own, small.toml, of small random towers."""
    root = tmp_path_factory.mktemp("own")
    (root / "small.toml").write_text(
        f"""
        title = "Small"
        languages = ["sw"]
        strategies = ["layernorm", "full"]
        seeds = 2
        ask = ["yo"]
        tests = ["retrieval", "bitext"]
        settings = {{ data = "{two_languages}", text = "{xlmr_folder}", vision = "{tiny_eyes["cnn"]}", epochs = 1 }}
        grid = [{{ concepts = [8, "default"] }}, {{ strategies = ["frozen"], ask = [], tests = [] }}]
        claims = [{{ kind = "parity", below_share = 0.5 }}, {{ kind = "keeps", test = "bitext" }}]
        """,
        encoding="utf-8",
    )
    return root


def run_own(own: Path, **changes: Any) -> Comparison:
    return mlilt.compare(experiment=str(own / "small.toml"), runs=own / "runs", progress=False, offline=True, **changes)


def test_an_experiment_is_trained_assessed_judged_and_reported(
    own: Path, monkeypatch: pytest.MonkeyPatch, two_languages: Path
) -> None:
    monkeypatch.chdir(own)
    found = run_own(own)
    study = found.study
    assert not found.failures
    assert found.page == Path("reports") / "small" / "index.html"
    assert study.experiment is not None
    assert study.experiment.name == "small"
    # Sizes apart; the reference is trained on each.
    assert [(g.setting.get("concepts"), [(r.strategy, r.seeds) for r in g.rows]) for g in study.groups] == [
        (8, [("layernorm", [0, 1]), ("full", [0, 1])]),
        (None, [("frozen", [0, 1]), ("layernorm", [0, 1]), ("full", [0, 1])]),
    ]
    for group in study.groups:
        for run in group.runs:
            asked = [(m.test, m.on, m.part) for m in study.assessed.get(run.folder, [])]
            if run.record.config.strategy == "frozen":
                assert not asked
            else:
                assert asked == [
                    *(("retrieval", on, part) for on in ("sw", "yo") for part in ("text_to_image", "image_to_text")),
                    ("bitext", "sw-yo", ""),
                ]
    [before] = study.before.values()
    assert [(m.test, m.on) for m in before] == [("bitext", "sw-yo")]
    # Retrieval in the run's own language is what its record has.
    run = study.groups[0].runs[0]
    own_language = study.measured([run], "retrieval", "sw", "recall_at_10", "text_to_image")
    assert own_language is not None
    value = run.results["all"].text_to_image.recall_at_10.value
    assert float(own_language.values.mean()) == pytest.approx(value)
    assert [result.kind for result in study.claims] == ["parity", "keeps"]
    assert all(result.judgements for result in study.claims)


def test_a_comparison_goes_on_where_it_was(own: Path, tmp_path: Path) -> None:
    first = run_own(own, out=tmp_path)
    files = {p: p.stat().st_mtime_ns for p in (own / "runs").rglob("*") if p.is_file() and p.name != ".lock"}
    removed = full_run(own / "runs")
    shutil.move(removed, tmp_path / "moved")
    again = run_own(own, out=tmp_path)
    # What was there is as it was; what was missing came to the same.
    kept = {p: t for p, t in files.items() if not p.is_relative_to(removed)}
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert weights(removed) == weights(tmp_path / "moved")
    assert again.study.claims == first.study.claims


def full_run(runs: Path) -> Path:
    """The first of full training."""
    return next(folder for folder in sorted(runs.iterdir()) if record.read(folder).config.strategy == "full")


def weights(run: Path) -> bytes:
    return (run / record.WEIGHTS).read_bytes()


def test_a_language_that_is_asked_later_needs_no_training(own: Path, tmp_path: Path, two_languages: Path) -> None:
    run_own(own, out=tmp_path)
    before = sorted((own / "runs").iterdir())
    found = mlilt.compare(
        runs=own / "runs", out=tmp_path, progress=False, ask="yo", data=str(two_languages), formats=["csv"]
    )
    assert sorted((own / "runs").iterdir()) == before
    frozen = next(run for group in found.groups for run in group.runs if run.record.config.strategy == "frozen")
    assert {m.on for m in found.study.assessed[frozen.folder]} == {"sw", "yo"}


def test_what_cannot_be_assessed_is_a_failure_and_the_rest_is_compared(own: Path, tmp_path: Path) -> None:
    run_own(own, out=tmp_path)
    broken = tmp_path / "runs"
    shutil.copytree(own / "runs", broken)
    bad = full_run(broken)
    (bad / record.WEIGHTS).write_bytes(b"")
    shutil.rmtree(bad / record.ASSESSED)
    found = mlilt.compare(experiment=str(own / "small.toml"), runs=broken, out=tmp_path, progress=False)
    [failure] = found.failures
    assert failure.run == bad.name
    assert failure.reason.startswith("Not assessed: ")
    assert [len(group.rows) for group in found.groups] == [2, 3]


def test_another_run_can_be_what_others_are_held_against(write_run: Callable[..., Path], tmp_path: Path) -> None:
    for seed in (0, 1):
        for strategy, ranks in (("bitfit", [1, 20, 20]), ("layernorm", [1, 1, 20]), ("full", [1, 1, 1])):
            write_run({"sw": ranks}, strategy=strategy, seed=seed)
    write_run({"sw": [1, 1, 1]}, name="other", strategy="bitfit", epochs=3)
    runs, out = tmp_path / "runs", tmp_path / "out"
    for named in ("sw-bitfit-s1", runs / "sw-bitfit-s0"):
        found = mlilt.compare(runs=runs, out=out, against=named, formats=["json"])
        group = next(g for g in found.groups if len(g.rows) == 3)
        against = {row.strategy: row.difference["text_to_image"].interval.value for row in group.rows if row.difference}
        assert against == {"layernorm": pytest.approx(100 / 3), "full": pytest.approx(200 / 3)}
    shutil.move(runs / "other", tmp_path / "away" / "other")
    with pytest.raises(UserError, match="differs from all that is compared"):
        mlilt.compare(runs=runs, out=out, against=tmp_path / "away" / "other")


def test_a_reference_that_cannot_be_one_is_told_before_anything_is_trained(
    write_run: Callable[..., Path], small_sw: Prepared, tmp_path: Path
) -> None:
    other = write_run({"sw": [1, 1, 1]}, strategy="bitfit", epochs=3)
    with pytest.raises(UserError, match="differs from all that is compared"):
        mlilt.compare("sw", "layernorm", 1, tmp_path / "runs", data=str(small_sw.folder), epochs=1, against=other)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [other.name]


def test_a_reference_elsewhere_joins_with_all_of_its_seeds(write_run: Callable[..., Path], tmp_path: Path) -> None:
    write_run({"sw": [1, 20]}, strategy="bitfit")
    for seed in (0, 1):
        write_run({"sw": [1, 1]}, strategy="lora", seed=seed, runs=tmp_path / "other")
    found = mlilt.compare(
        runs=tmp_path / "runs", out=tmp_path, against=tmp_path / "other" / "sw-lora-s0", formats=["json"]
    )
    [group] = found.groups
    assert {row.strategy: (row.seeds, row.difference is None) for row in group.rows} == {
        "bitfit": ([0], False),
        "lora": ([0, 1], True),
    }


def test_only_the_formats_that_were_asked_for_are_written(write_run: Callable[..., Path], tmp_path: Path) -> None:
    write_run({"sw": [1, 20]})
    found = mlilt.compare(runs=tmp_path / "runs", out=tmp_path / "out", formats=["csv", "md"])
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.md", "results.csv"]
    assert found.page == tmp_path / "out" / "report.md"


def command(*arguments: object) -> Result:
    return CliRunner().invoke(build(), ["compare", *map(str, arguments)], catch_exceptions=False)


def test_a_dry_run_says_what_would_be_trained_and_trains_nothing(
    small_sw: Prepared, workplace: Path, write_run: Callable[..., Path]
) -> None:
    asked = ("--lang", "sw", "-s", "frozen", "-s", "full", "--concepts", 5, "--concepts", 6, "--seeds", 2)
    asked = (*asked, "--data", small_sw.folder, "--dry-run", "--json")
    first = json.loads(command(*asked).stdout)["runs"]
    assert [(r["config"]["concepts"], r["config"]["seed"], r["config"]["strategy"], r["state"]) for r in first] == [
        (concepts, seed, strategy, "missing")
        for concepts in (5, 6)
        for seed in (0, 1)
        for strategy in ("frozen", "full")
    ]
    assert not (workplace / "runs").exists()
    there = first[1]["config"]
    write_run({"sw": [1]}, data_sha256=corpus.digest(RunConfig(**there)), **there)
    again = json.loads(command(*asked).stdout)["runs"]
    assert [r["state"] for r in again] == ["missing", "finished", *["missing"] * 6]
    said = command(*asked[:-1]).stdout
    assert "7 of 8 runs are to be trained; nothing was." in said
    assert [p.name for p in (workplace / "runs").iterdir()] == ["sw-full-c5-s0"]


def test_experiments_are_listed() -> None:
    listed = {each["name"]: each for each in json.loads(command("--list", "--json").stdout)}
    assert sorted(listed) == experiments.names()
    assert listed["parity"]["title"] == experiments.find("parity").title
    said = command("--list").stdout
    assert all(name in said for name in listed)


def test_the_report_is_opened_in_the_browser(write_run: Callable[..., Path], workplace: Path) -> None:
    write_run({"sw": [1, 20]})
    browser = workplace / "browser"
    browser.write_text('#!/bin/sh\nprintf %s "$1" > opened\n', encoding="utf-8")
    browser.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "mlilt", "compare", "--open"],
        env={**os.environ, "BROWSER": f"{browser} %s"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "No browser" not in done.stderr
    opened = (workplace / "opened").read_text(encoding="utf-8")
    assert opened == (workplace / "reports" / "index.html").resolve().as_uri()
