"""`mlilt evaluate` as users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mlilt
from mlilt import assessment, record
from mlilt.config import RunConfig
from mlilt.training import loop


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What holds the data set of English in miniature."""
    out = tmp_path_factory.mktemp("others")
    mlilt.prepare("en", limit=40, out=out / "en", progress=False)
    return out


@pytest.fixture
def run(settings: Callable[..., RunConfig], tiny: dict[str, str], tiny_eyes: dict[str, str], workplace: Path) -> Path:
    """A run of small towers in runs/ of the current folder; its path as a user would write it."""
    config = settings(text=tiny["mbert"], vision=tiny_eyes["vit"], epochs=1)
    loop.train(config, out=workplace / "runs" / "mine", progress=False)
    return Path("runs/mine")


def evaluate(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlilt", "evaluate", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def test_a_run_is_asked_in_other_languages_and_held_against_before(run: Path, others: Path) -> None:
    done = evaluate(run, "--lang", "en", "--data", others, "--offline", "--json")
    assert done.returncode == 0, done.stderr
    [report] = json.loads(done.stdout)
    assert (report["run"], report["name"]) == (str(run), "mine")
    told = {(test["test"], test["on"], test["part"]): test for test in report["tests"]}
    measured = assessment.assess(run, ["en"], others, progress=False)  # read, not measured again
    assert set(told) == {(one.test, one.on, one.part) for one in measured}
    assert {("retrieval", "en", "text_to_image"), ("bitext", "en-sw", ""), ("neighbours", "sw: test split", "")} <= set(
        told
    )
    for one in measured:
        test = told[one.test, one.on, one.part]
        assert test["items"] == len(one.items)
        for name, values in one.values.items():
            figure = test["figures"][name]
            assert figure["value"] == pytest.approx(np.mean(values))
            assert figure["low"] <= figure["value"] <= figure["high"]
            assert (figure["before"] is None) == (one.test not in ("bitext", "neighbours"))
    neighbours = told["neighbours", "sw: test split", ""]["figures"]["accuracy"]
    assert neighbours["change"] == {"value": 0.0, "low": 0.0, "high": 0.0}  # its eyes were frozen


def test_people_get_a_table_of_each_run_and_what_could_not_be_asked(run: Path) -> None:
    done = evaluate(run, run, "--test", "retrieval", "--test", "imagenet", COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"Swahili, layernorm ({run})") == 2
    assert done.stdout.count("retrieval text→image") == 2
    recorded = record.read(run).results["sw"]["all"].text_to_image
    [line] = [line for line in done.stdout.splitlines() if "R@10" in line][:1]
    assert f"{100 * recorded.recall_at_10.value:.1f} [" in line
    assert "Not asked: imagenet, which needs data prepared from babel-imagenet" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere holds no run"),
        (["--test", "retreival"], "Did you mean retrieval?"),
        (["--lang", "am"], "mlilt prep --lang am"),
    ],
)
def test_mistakes_exit_with_2_and_name_the_fix(arguments: list[str], words: str, run: Path) -> None:
    done = evaluate(run, *arguments)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (run / record.ASSESSED).exists()


def test_help_names_all_tests() -> None:
    said = evaluate("--help", COLUMNS="200").stdout
    assert [name for name in assessment.names() if name not in said] == []
