"""The tool sends nothing anywhere: what watches for it does so; tests of the commands use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.watching import Watch


def test_a_connection_would_be_noted_and_one_within_the_machine_would_not(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    for address in ("127.0.0.1", "192.0.2.1"):
        code = f"import socket; s = socket.socket(); s.settimeout(0.1); s.connect_ex(({address!r}, 80))"
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **watch.environment}, check=True)
    [line] = watch.noted.splitlines()
    assert line.startswith("socket.connect ('192.0.2.1', 80)")
