"""A run that is stopped and resumed, tracked in a process of its own, with everything it would send counted."""

from __future__ import annotations

import importlib.util
import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

# Stopped after step 4, and resumed from a checkpoint before step 3; the second time another loss is measured.
SCRIPT = """
import json, sys
from pathlib import Path
from mlilt.training import trackers

name, folder = sys.argv[1], Path(sys.argv[2])
settings = {"lr": 0.001, "lang": "sw", "held_out": ["flags"], "compile": False}
notes = []
try:
    with trackers.start([name], folder, "sw-s0", settings) as tracking:
        for step in range(5):
            tracking.log(step, {"loss": 1 + step})
        raise InterruptedError
except InterruptedError:
    notes += tracking.notes
with trackers.start([name], folder, "sw-s0", settings, first_step=3) as tracking:
    for step in range(3, 6):
        tracking.log(step, {"loss": 101 + step, "validation/recall_at_10": 0.25})
    tracking.summary["recall_at_1"] = 0.5
notes += tracking.notes
print(json.dumps(notes), file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a tracked run left behind.

    Attributes:
        folder: the tracker's own, in the run's.
        home: the user's, and the current folder of the run.
        notes: of the run and of its resumption.
        printed: to standard output, and to standard error besides the notes.
        requests: how many requests went out.
    """

    folder: Path
    home: Path
    notes: list[str]
    printed: tuple[str, str]
    requests: int


@pytest.fixture(scope="session")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tracked]:
    """Tracks the run by the tracker of this name, once; skips where its package is not installed."""
    done: dict[str, Tracked] = {}

    def track(name: str) -> Tracked:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
        if name not in done:
            done[name] = _track(name, tmp_path_factory.mktemp(name))
        return done[name]

    return track


def _track(name: str, place: Path) -> Tracked:
    requests: list[object] = []

    class Proxy(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            requests.append(self.client_address)

    home = place / "home"
    home.mkdir()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = f"http://127.0.0.1:{server.server_address[1]}"
        own = ("WANDB_", "TRACKIO_", "HF_")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
        environment |= {"HOME": str(home), "TRACKIO_DIR": str(home / "store"), "no_proxy": "", "NO_PROXY": ""}
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, name, str(place / "run")],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
        )
        server.shutdown()
    assert ran.returncode == 0, ran.stderr
    *rest, notes = ran.stderr.splitlines()
    return Tracked(
        place / "run" / "tracking" / name, home, json.loads(notes), (ran.stdout, "\n".join(rest)), len(requests)
    )
