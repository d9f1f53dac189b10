"""Processes that are watched: whom they call is noted, and where a user may cut the network for them it is cut."""

from __future__ import annotations

import subprocess
from pathlib import Path

# Python runs it at the start of each process, those that a command starts itself among them.
WATCH = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        whom = arguments[-1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        # Processes on this machine talk to each other by files and by loopback.
        local = isinstance(whom, (str, bytes)) and event in ("socket.connect", "socket.sendto")
        host = whom[0] if isinstance(whom, tuple) else whom
        if local or host in ("127.0.0.1", "0.0.0.0", "::1", "localhost", None):
            return
        with open(os.environ["MLILT_NOTED"], "a") as file:
            file.write(f"{event} {whom!r} by {sys.argv[:3]}\\n")

sys.addaudithook(note)
"""
# Cuts the network for a process and those that it starts, where a user may do that.
CUT = ["unshare", "--user", "--map-root-user", "--net", "--"]


class Watch:
    """Notes the connections and look-ups of names that Python processes try, but for those within this machine."""

    def __init__(self, folder: Path) -> None:
        (folder / "hook").mkdir()
        (folder / "hook" / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
        self._noted = folder / "noted"
        self.environment = {"PYTHONPATH": str(folder / "hook"), "MLILT_NOTED": str(self._noted)}

    @property
    def noted(self) -> str:
        """All that was tried, a line each."""
        return self._noted.read_text(encoding="utf-8") if self._noted.exists() else ""


def cut() -> list[str]:
    """What a command is put behind to have no network; nothing where that is not allowed."""
    try:
        allowed = subprocess.run([*CUT, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    return CUT if allowed else []
