"""Batches found by themselves: what suits the data, in chunks that fit into the memory of real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

import mlilt
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import config as configs
from mlilt import record
from mlilt.cli.main import main
from mlilt.config import RunConfig
from mlilt.training import fitting, loop, resolve


@pytest.mark.parametrize(
    ("captions", "epochs", "processes", "batch"),
    [
        (0, 10, 1, 2),
        (39, 10, 1, 2),
        (40, 10, 1, 4),
        (1_900, 10, 1, 128),
        (1_900, 10, 3, 96),
        # No batch is larger than the data.
        (200, 1_000, 1, 128),
        (10**6, 10, 1, 4096),
        (10**6, 10, 8, 4096),
    ],
)
def test_a_training_has_a_hundred_steps_where_the_data_lets_it(
    captions: int, epochs: int, processes: int, batch: int
) -> None:
    assert fitting._batch(captions, epochs, processes) == batch


def asked(small_sw: Prepared, tiny: dict[str, str], **more: Any) -> dict[str, Any]:
    settings = {"lang": "sw", "data": str(small_sw.folder), "text": tiny["mbert"], "epochs": 3, "precision": "fp32"}
    return {**settings, "strategy": "full", "dim": 64, "batch_size": "auto", **more}


def test_a_size_is_found_trained_with_and_kept(small_sw: Prepared, tiny: dict[str, str], workplace: Path) -> None:
    settings = asked(small_sw, tiny)
    done = mlilt.train(out="run", progress=False, **settings)
    captions = loop.captions(done.config, loop.check(resolve.resolve(done.config)))
    assert captions * 3 >= 100 * done.config.batch_size > captions * 3 / 2
    assert done.costs.steps >= 100
    assert done.config.chunk_size == done.config.batch_size
    # The run has its sizes: nothing is tried again, and other settings are seen as such.
    said: list[str] = []
    again = fitting.fit(settings, "here", "run", told=said.append)
    assert not said
    assert configs.make(again).batch_size == done.config.batch_size
    with pytest.raises(UserError, match="epochs 3 -> 4"):
        mlilt.train(out="run", progress=False, **{**settings, "epochs": 4})


@pytest.mark.skipif(sys.platform != "linux", reason="what a process maps of files is told apart on Linux alone")
def test_a_step_that_has_not_the_memory_it_needs_does_not_fit(
    settings: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real tower, trained whole."""
    config = resolve.resolve(settings(strategy="full", batch_size=128, device="cpu"))
    needs = _own_bytes(config.model_copy(update={"budget_s": 1e-3}), tmp_path / "measured")
    for share, fits in ((0.6, False), (2.0, True)):
        there = type("Memory", (), {"available": share * needs / fitting._SHARE})
        monkeypatch.setattr(psutil, "virtual_memory", lambda there=there: there)
        assert fitting._fits(config, True, 1) == fits
        assert not psutil.Process().children(recursive=True)


def test_batches_are_halved_last_and_nothing_that_fits_is_an_error(
    small_sw: Prepared, tiny: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fits(config: RunConfig, offline: bool, processes: int) -> bool:
        tried.append((config.batch_size, config.chunk_size))
        return False

    monkeypatch.setattr(fitting, "_fits", fits)
    with pytest.raises(UserError, match="Not even a batch of two captions fits"):
        fitting.fit(asked(small_sw, tiny, epochs=10), "here", tmp_path / "run")
    assert tried == [(8, 8), (8, 4), (8, 2), (8, 1), (4, 1), (2, 1)]


def _own_bytes(config: RunConfig, folder: Path) -> int:
    """The most memory of its own that a process has while it trains."""
    folder.mkdir()
    configs.write(config, folder / "config.toml")
    code = (
        "import json, sys, threading, time\n"
        "from mlilt.cli.main import main\n"
        "most = 0\n"
        "def watch():\n"
        "    global most\n"
        "    while True:\n"
        "        kept = next(l for l in open('/proc/self/status') if l.startswith('RssAnon'))\n"
        "        most = max(most, int(kept.split()[1]) * 1024)\n"
        "        time.sleep(0.002)\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(json.dumps(most))\n"
    )
    command = ["train", "--config", str(folder / "config.toml"), "--out", str(folder / "small"), "--json"]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def test_the_command_says_what_it_tries(
    small_sw: Prepared, tiny: dict[str, str], workplace: Path, settings: Callable[..., RunConfig]
) -> None:
    configs.write(settings(text=tiny["xlm-r"], epochs=1, device="cpu"), workplace / "c.toml")
    command = [sys.executable, "-m", "mlilt", "train", "--config", "c.toml", "--batch-size", "auto", "--out", "run"]
    done = subprocess.run([*command, "--gpus", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    about = record.read(workplace / "run")
    assert about.processes == 2
    assert f"Trying a batch of {about.config.batch_size} captions" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch-size", "atuo"], "batch_size"),
        (["--batch-size", "auto", "--gpus", "99"], f"There are {torch.cuda.device_count()} GPUs here, not 99"),
    ],
)
def test_what_cannot_be_is_told_before_a_size_is_tried(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As the program does, but without its handlers of signals.
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["mlilt", "train", "--lang", "sw", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_sizes_are_not_sought_among_started_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="use --gpus instead of torchrun"):
        fitting.fit({"lang": "sw", "batch_size": "auto"}, "here")
