"""Folders that cannot be written, and a cache that is emptied under a run: real mounts, real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.carriers import cache_folder
from data_prep.pipeline import Prepared
from mlilt import prepare, record, train

# Mounts a folder read-only for one command alone: to root, whom tests may run as, modes of files mean nothing.
CLOSED = 'd=$1; shift; mount --bind "$d" "$d" && mount -o remount,ro,bind "$d" && exec "$@"'
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", CLOSED, "sh"]


@pytest.fixture(autouse=True)
def may_mount(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run([*UNSHARE, tmp_path, "true"], capture_output=True).returncode:
        pytest.skip("a user may not mount folders here")


def mlilt(closed: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*UNSHARE, str(closed), sys.executable, "-m", "mlilt", *map(str, arguments), "--offline"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["prep", "train", "index", "export", "trim"])
def test_what_cannot_be_written_is_named(command: str, small_sw: Prepared, real: Path, workplace: Path) -> None:
    closed = workplace / "closed"
    closed.mkdir()
    arguments = {
        "prep": ["--lang", "sw", "--limit", 3],
        "train": ["--lang", "sw", "--data", small_sw.folder, "--epochs", 1],
        "index": [real, small_sw.folder],
        "export": [real, "--to", "merged"],
        "trim": ["--lang", "sw", "--data", small_sw.folder],
    }
    done = mlilt(closed, command, *arguments[command], "--out", closed / "new")
    assert done.returncode == 2, done.stderr
    assert "closed" in done.stderr
    assert "Read-only file system" in done.stderr
    assert "--out" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cache_that_holds_all_may_be_closed_and_one_that_lacks_some_is_named(
    small_sw: Prepared, real: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cache_folder()
    # Features of another precision than those of `real`, perhaps: made here while the cache is open.
    train(lang="sw", data=str(small_sw.folder), strategy="frozen", epochs=1, out="open", progress=False)
    settings = ["--lang", "sw", "--data", small_sw.folder, "--strategy", "frozen", "--epochs", 1]
    done = mlilt(cache, "train", *settings, "--out", "shut")
    assert done.returncode == 0, done.stderr
    assert (Path("open") / record.WEIGHTS).read_bytes() == (Path("shut") / record.WEIGHTS).read_bytes()

    prepare("sw", limit=3, out="sw", offline=True, progress=False)
    own = workplace / "cache"
    shutil.copytree(cache, own, copy_function=os.link, ignore=shutil.ignore_patterns("features"))
    monkeypatch.setenv("MLILT_CACHE", str(own))
    done = mlilt(own, "train", "--lang", "sw", "--data", "sw", "--epochs", 1, "--out", "lacking")
    assert done.returncode == 2, done.stderr
    assert f"The feature cache cannot be written: [Errno 30] Read-only file system: '{own}" in done.stderr
    assert "set MLILT_CACHE to another folder" in done.stderr


def test_features_that_go_away_under_a_run_are_computed_anew_when_it_goes_on(
    small_sw: Prepared, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = workplace / "cache"
    shutil.copytree(cache_folder(), own, copy_function=os.link)
    monkeypatch.setenv("MLILT_CACHE", str(own))
    settings = {"lang": "sw", "data": str(small_sw.folder), "epochs": 4}
    train(**settings, out="whole", offline=True, progress=False)
    options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "mlilt", "train", *options, "--out", "run", "--offline"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (workplace / "run" / record.METRICS).exists():
        assert process.poll() is None
        time.sleep(0.02)
    shutil.rmtree(own / "features")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert "are gone from" in said
    assert "Traceback" not in said
    train(**settings, out="run", offline=True, resume=True, progress=False)
    assert (Path("whole") / record.WEIGHTS).read_bytes() == (Path("run") / record.WEIGHTS).read_bytes()
