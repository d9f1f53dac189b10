"""The command as users run it: real processes, real data in miniature, real towers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from data_prep.pipeline import Prepared
from mlilt import config, record
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower
from tests.watching import Watch, cut

COMMANDS = (
    *("compare", "doctor", "evaluate", "languages", "prep", "quickstart", "sources", "steps", "strategies", "train"),
    *("trim", "index", "search", "serve", "export", "push"),
)


def mlilt(
    *arguments: object, cwd: Path, before: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-m", "mlilt", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def good(*arguments: object, cwd: Path, before: Sequence[str] = (), **environment: str) -> str:
    done = mlilt(*arguments, cwd=cwd, before=before, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_lists_the_commands_and_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from mlilt.cli.main import main\n"
        "try: sys.argv = ['mlilt', '--help']; main()\n"
        "finally: assert not {'torch', 'transformers', 'datasets', 'numpy'} & set(sys.modules), 'heavy imports'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples(command: str, tmp_path: Path) -> None:
    said = good(command, "--help", cwd=tmp_path)
    assert "Examples:" in said
    assert f"mlilt {command}" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("prep", "--lang", "swa"), "Did you mean sw"),
        (("prep", "--lang", "Swahili"), "Did you mean sw?"),
        (("prep", "--lang", "sw", "--source", "tuxpant"), "Did you mean tuxpaint?"),
        (("prep", "--lang", "sw", "--limit", "0"), "--limit must be 1 or more"),
        (("train", "--lang", "sw", "--strategy", "layernrom"), "Did you mean layernorm"),
        (("train", "--lang", "sw", "--strategy", "layernrom", "--lr", "0.1"), "Did you mean layernorm"),
        (("train", "--lang", "yo"), "mlilt prep --lang yo"),
        (("train", "--strategy", "full"), "--lang sw"),
        (("train", "--lang", "sw", "--epochs", "0", "--device", "tpu"), "2 mistake(s)"),
        (("train", "--config", "nowhere.toml"), "nowhere.toml"),
        (("compare",), "mlilt train --lang sw"),
        (("trian",), "Did you mean 'train'"),
        (("prep",), "--lang"),
    ],
)
def test_mistakes_exit_with_2_and_name_the_fix(arguments: tuple[str, ...], words: str, workplace: Path) -> None:
    done = mlilt(*arguments, cwd=workplace)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--text", "xlmr-base"), "Did you mean xlm-r-base"),
        (("--vision", "efficientnet-lite9"), "efficientnet-lite0"),
        (("--text", "xlm-r-base"), "hf download FacebookAI/xlm-roberta-base"),
        (("--device", "cuda"), "--device cpu"),
    ],
)
def test_towers_and_devices_that_are_not_there(
    arguments: tuple[str, ...], words: str, small_sw: Prepared, workplace: Path
) -> None:
    import torch

    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = mlilt("train", "--lang", "sw", "--data", small_sw.folder, *arguments, cwd=workplace, HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_prep_train_compare_and_languages_work_together_and_call_nobody(
    small_sw: Prepared, e5: TextTower, eyes: VisionTower, workplace: Path, watched: Watch
) -> None:
    """Its fixtures have filled the cache."""
    alone = partial(good, before=cut())
    prepared = json.loads(alone("prep", "--lang", "sw", "--limit", 40, "--json", cwd=workplace))
    assert (workplace / "data" / "sw" / "README.md").is_file()
    assert sum(prepared["pictures"].values()) > 80
    again = alone("prep", "--lang", "sw", "--limit", 40, cwd=workplace)
    assert "was there already" in again

    listed = {entry["code"]: entry for entry in json.loads(alone("languages", "--json", cwd=workplace))}
    assert sum(listed["sw"]["pictures"].values()) == sum(prepared["pictures"].values())
    assert listed["yo"]["pictures"] is None
    table = alone("languages", cwd=workplace, COLUMNS="120")
    assert "Kiswahili" in table
    assert f"{listed['sw']['pictures']['cldr-emoji']:,}" in table

    said = alone("train", "--lang", "sw", "--strategy", "layernorm", "--epochs", 1, "--json", cwd=workplace)
    about = record.RunRecord.model_validate_json(said)
    run = workplace / "runs" / "sw-layernorm-s0"
    assert about == record.read(run)
    assert config.read(run / record.CONFIG) == about.config

    said = alone("compare", "--lang", "sw", "--strategy", "frozen", "--epochs", 1, "--seeds", 1, cwd=workplace)
    assert "frozen" in said
    assert str(Path("reports") / "index.html") in said
    rows = json.loads(alone("compare", "--json", cwd=workplace))["groups"][0]["rows"]
    assert [row["strategy"] for row in rows] == ["frozen", "layernorm"]
    assert watched.noted == ""


def test_options_overrule_the_config_file(small_sw: Prepared, workplace: Path) -> None:
    (workplace / "my.toml").write_text(f'lang = "sw"\nstrategy = "full"\nepochs = 3\ndata = "{small_sw.folder}"\n')
    good("train", "--config", "my.toml", "--strategy", "frozen", "--epochs", 1, cwd=workplace)
    written = config.read(workplace / "runs" / "sw-frozen-s0" / record.CONFIG)
    assert (written.strategy, written.epochs, written.data) == ("frozen", 1, str(small_sw.folder))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_orderly_and_says_how_to_go_on(number: signal.Signals, small_sw: Prepared, workplace: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mlilt",
        "train",
        "--lang",
        "sw",
        "--data",
        str(small_sw.folder),
        "--epochs",
        "500",
    ]
    process = subprocess.Popen(command, cwd=workplace, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    metrics = workplace / "runs" / "sw-layernorm-s0" / record.METRICS
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "--resume" in said
    assert "Traceback" not in said


def test_doctor_finds_this_machine_fit(tmp_path: Path) -> None:
    found = {check["what"]: check for check in json.loads(good("doctor", "--offline", "--json", cwd=tmp_path))}
    assert found["device"]["state"] == "ok"
    assert "torch" in found["versions"]["found"]
    # The tests before this one may not have run, so what is cached is not known; that it is looked at, is.
    assert {"data: cldr-emoji", "data: tuxpaint", "data: flags", "text tower: e5-small"} <= set(found)


def test_doctor_says_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    # It asks the sources whether they can be reached.
    may_call = {"MLILT_NOTED": os.devnull}
    done = mlilt("doctor", "--json", cwd=tmp_path, MLILT_CACHE=str(tmp_path / "empty"), PATH="", **may_call)
    assert done.returncode == 1
    found = {check["what"]: check for check in json.loads(done.stdout)}
    tuxpaint = found["data: tuxpaint"]
    assert tuxpaint["state"] == "missing"
    assert "apt-get is not installed" in tuxpaint["remedy"]
    assert "MLILT_ARCHIVES" in tuxpaint["remedy"]


def test_doctor_calls_missing_only_what_the_main_job_needs(tmp_path: Path) -> None:
    done = mlilt("doctor", "--offline", "--json", cwd=tmp_path, MLILT_CACHE=str(tmp_path / "empty"))
    assert done.returncode == 1
    states = {check["what"]: check["state"] for check in json.loads(done.stdout)}
    assert {what for what, state in states.items() if state == "missing" and "disk" not in what} == {
        "data: cldr-emoji",
        "data: flags",
        "data: tuxpaint",
        "text tower: e5-small",
        "vision tower: efficientnet-lite0",
    }
    others = ("data: contact sheet", "data: category names", "vision tower: efficientnet-lite1")
    assert [states[what] for what in others] == ["note"] * 3
