"""Runs in processes of their own, started by one worker."""

from __future__ import annotations

import contextlib
import os
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

from data_prep.errors import UserError
from mlilt import config as configs
from mlilt import record
from mlilt.comparison import worker
from mlilt.comparison.worker import Worker
from mlilt.config import RunConfig
from mlilt.training.resolve import resolve


@pytest.fixture
def small(settings: Callable[..., RunConfig], xlmr_folder: Path, tiny_eyes: dict[str, str]) -> Callable[..., RunConfig]:
    """Settings of a run of small random towers, as they will be used."""

    def make(**changes: Any) -> RunConfig:
        towers = {"text": str(xlmr_folder), "vision": tiny_eyes["cnn"]}
        return resolve(settings(**{**towers, "epochs": 1, **changes}))

    return make


def workers() -> list[psutil.Process]:
    """Workers of this process."""
    return [child for child in psutil.Process().children() if worker.__name__ in " ".join(child.cmdline())]


def weights(folder: Path) -> bytes:
    return (folder / record.WEIGHTS).read_bytes()


def until(holds: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_later_run_of_a_worker_is_that_of_a_fresh_process(small: Callable[..., RunConfig], tmp_path: Path) -> None:
    first = small(vision_strategy="full", strategy="lora", precision="bf16", seed=3)
    second = small(strategy="layernorm+adapter-deep", vision_strategy="bitfit")
    with Worker(offline=True, progress=False) as one:
        one.train(first, tmp_path / "first")
        [process] = workers()
        one.train(second, tmp_path / "second")
        assert workers() == [process]
    assert not workers()
    configs.write(second, tmp_path / "second.toml")
    command = [sys.executable, "-m", "mlilt", "train", "--config", "second.toml", "--out", "alone", "--offline"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert weights(tmp_path / "second") == weights(tmp_path / "alone")
    found, alone = (record.read(tmp_path / name) for name in ("second", "alone"))
    assert found.results == alone.results
    assert found.machine == alone.machine


@pytest.mark.skipif(sys.platform != "linux", reason="the mark is set back on Linux alone")
def test_each_runs_peak_memory_is_its_own(
    small: Callable[..., RunConfig], settings: Callable[..., RunConfig], tmp_path: Path
) -> None:
    large = resolve(settings(strategy="frozen", epochs=1))
    with Worker(offline=True, progress=False) as one:
        # Encodes the pictures, once for all that come.
        one.train(small(), tmp_path / "first")
        one.train(small(), tmp_path / "before")
        one.train(large, tmp_path / "large")
        one.train(small(), tmp_path / "after")
    before, peak, after = (
        record.read(tmp_path / name).costs.peak_rss_bytes or 0 for name in ("before", "large", "after")
    )
    # Of a large run's word embedding alone there are 384 MB.
    assert peak - after > 300e6
    assert after == pytest.approx(before, rel=0.05)


def test_what_one_run_cannot_do_is_its_own_failure(small: Callable[..., RunConfig], tmp_path: Path) -> None:
    with Worker(offline=True, progress=False) as one:
        with pytest.raises(UserError, match=r"A batch of 100000 captions is larger .* Use --batch-size"):
            one.train(small(batch_size=100_000), tmp_path / "no")
        [process] = workers()
        one.train(small(), tmp_path / "yes")
        assert workers() == [process]
    assert record.read(tmp_path / "yes").config == small()


def test_a_crash_is_told_with_its_exit_code(
    small: Callable[..., RunConfig], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Worker(offline=True, progress=False) as one:
        # No user can name such a folder, so that nothing says what to do.
        with pytest.raises(UserError, match=r"failed \(exit code 1\); see above"):
            one.train(small(), tmp_path / "a\0b")
        assert "ValueError" in capfd.readouterr().err
        one.train(small(), tmp_path / "other")


@pytest.mark.parametrize("whole", [True, False], ids=["the worker", "the run's process"])
def test_after_a_kill_the_next_run_is_trained(small: Callable[..., RunConfig], tmp_path: Path, whole: bool) -> None:
    endless = small(epochs=1_000_000)
    killed: list[int] = []

    def kill() -> None:
        until(lambda: (tmp_path / "endless" / record.METRICS).exists())
        [process] = workers()
        victim = process if whole else process.children()[0]
        killed.append(process.pid)
        victim.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    with Worker(offline=True, progress=False) as one:
        killer.start()
        with pytest.raises(UserError, match=r"ended by SIGKILL\. .*--batch-size"):
            one.train(endless, tmp_path / "endless")
        killer.join()
        one.train(small(), tmp_path / "next")
        assert [process.pid in killed for process in workers()] == [not whole]
    assert record.read(tmp_path / "next").config == small()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends a parent's processes on Linux alone")
@pytest.mark.parametrize(
    ("number", "jobs"),
    [(signal.SIGINT, 1), (signal.SIGKILL, 2), (signal.SIGTERM, 2)],
)
def test_nothing_outlives_a_comparison_that_was_stopped(
    small: Callable[..., RunConfig], tmp_path: Path, number: signal.Signals, jobs: int
) -> None:
    config = small(epochs=1_000_000)
    wanted = {key: value for key, value in config.outcome().items() if key in ("data", "text", "vision", "epochs")}
    command = [*arguments(wanted), "--seeds", str(jobs), "--jobs", str(jobs)]
    code = f"import mlilt.cli.main as m, sys; sys.argv[1:] = {command!r}; m.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        metrics = f"runs/*/{record.METRICS}"
        until(lambda: sum(bool(file.stat().st_size) for file in tmp_path.glob(metrics)) == jobs)
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) == 2 * jobs
        # At a terminal Ctrl-C reaches all processes.
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        _, said = process.communicate()
        _, alive = psutil.wait_procs(family, timeout=60)
    finally:
        # Of an endless run nothing may be left should this test fail.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert not alive
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert "run the same command again" in said
        assert "Traceback" not in said


def arguments(settings: dict[str, Any]) -> list[str]:
    options = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
    return ["compare", "--lang", "sw", "--strategy", "frozen", *options]
