"""`mlilt serve` as users run it: started, asked, stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mlilt.cli.main import main


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mlilt", "serve", *map(str, arguments)],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_answers_and_stops_in_order(of_data: Path, number: signal.Signals) -> None:
    process = start(of_data, "--port", 0, "--offline")
    assert process.stdout is not None
    said = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+/", said)
    assert address, said + process.communicate()[1]
    assert httpx.get(f"{address[0]}api/search?q=mbwa&top=1", timeout=60).json()["hits"][0]["rank"] == 1
    process.send_signal(number)
    _, complained = process.communicate(timeout=30)
    assert process.returncode == 0, complained
    assert complained.strip() == "Stopped."


def test_listening_for_others_has_to_be_asked_for_and_says_what_that_means(of_data: Path) -> None:
    process = start(of_data, "--port", 0, "--offline", "--host", "0.0.0.0")
    assert process.stdout is not None
    assert "http://0.0.0.0:" in process.stdout.readline()
    process.terminate()
    _, complained = process.communicate(timeout=30)
    assert "Anyone who can reach this machine at 0.0.0.0 can search and see these pictures" in complained


def test_what_is_wrong_is_told(
    of_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, said in (
            ((of_data, "--port", port), f"127.0.0.1:{port} cannot be listened at"),
            ((of_data, "--host", "no.such.host.invalid"), "cannot be listened at"),
            ((tmp_path, "--port", 0), "holds no index"),
            ((of_data, of_data, "--run", tmp_path), "--run names the run of one index"),
            ((of_data, "--port", 0, "--run", tmp_path), "holds no run"),
        ):
            # As the program does, but without a process for each, and without its handlers of signals.
            monkeypatch.setattr("signal.signal", lambda *_: None)
            monkeypatch.setattr(sys, "argv", ["mlilt", "serve", *map(str, arguments)])
            with pytest.raises(SystemExit) as stop:
                main()
            assert stop.value.code == 2
            assert said in capsys.readouterr().err
