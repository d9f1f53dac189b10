"""The tool sends nothing anywhere: with a full cache, and no network where it can be cut, no connection is tried."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.pipeline import Prepared

# Python runs it at the start of each process, those that a command starts itself among them.
WATCH = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        whom = arguments[-1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        # Processes on this machine talk to each other by files and by loopback.
        local = isinstance(whom, (str, bytes)) and event in ("socket.connect", "socket.sendto")
        host = whom[0] if isinstance(whom, tuple) else whom
        if local or host in ("127.0.0.1", "::1", "localhost", None):
            return
        with open(os.environ["MLILT_NOTED"], "a") as file:
            file.write(f"{event} {whom!r} by {sys.argv[:3]}\\n")

sys.addaudithook(note)
"""
# Cuts the network for a process and those that it starts, where a user may do that.
CUT = ["unshare", "--user", "--map-root-user", "--net", "--"]


def _cut() -> list[str]:
    try:
        allowed = subprocess.run([*CUT, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    return CUT if allowed else []


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """Environment of processes that note whom they call."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(tmp_path / "hook"), "MLILT_NOTED": str(tmp_path / "noted")}


def test_a_connection_would_be_noted(watched: dict[str, str]) -> None:
    code = "import socket; s = socket.socket(); s.settimeout(0.1); s.connect_ex(('192.0.2.1', 80))"
    subprocess.run([sys.executable, "-c", code], env=watched, check=False)
    assert "socket.connect ('192.0.2.1', 80)" in Path(watched["MLILT_NOTED"]).read_text(encoding="utf-8")


def test_preparing_training_comparing_searching_and_exporting_call_nobody(
    small_sw: Prepared, watched: dict[str, str], tmp_path: Path
) -> None:
    """`small_sw` has filled the cache."""
    run, out = "runs/sw-layernorm-s0", tmp_path / "place"
    out.mkdir()
    small = ["--lang", "sw", "--epochs", "1"]
    commands = [
        ["prep", "--lang", "sw", "--limit", "10"],
        ["train", *small, "--strategy", "layernorm"],
        ["compare", *small, "--strategy", "layernorm", "--against", run, "--seeds", "1"],
        ["index", run, "data/sw", "--out", "index"],
        ["search", "index", "mbwa"],
        ["export", run, "--to", "merged"],
        ["languages"],
        ["sources"],
    ]
    for command in commands:
        done = subprocess.run(
            [*_cut(), sys.executable, "-m", "mlilt", *command],
            cwd=out,
            env=watched,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr[-2000:])
    assert not Path(watched["MLILT_NOTED"]).exists(), Path(watched["MLILT_NOTED"]).read_text(encoding="utf-8")
