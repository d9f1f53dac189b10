"""Trains one run in a process of its own.

The parent writes a task to the worker's standard input and reads what failed, if anything, from its standard output;
progress goes to the standard error that both share.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

from data_prep.errors import UserError
from mlilt import config as configs
from mlilt.config import RunConfig


def train_alone(config: RunConfig, folder: Path, offline: bool, progress: bool) -> None:
    """Trains a run, or goes on with one that was stopped, in a new process, and waits for it.

    Raises:
        UserError: it could not be trained, or its process was killed.
    """
    task = {"config": config.outcome(), "folder": str(folder), "offline": offline, "progress": progress}
    # -P: a file in the current folder must not stand in for a package of the same name.
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said, _ = process.communicate(json.dumps(task))
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        hint = " Most likely the machine ran out of memory: lower --batch-size." if name == "SIGKILL" else ""
        raise UserError(f"The training process was ended by {name}.{hint} What it had done is kept.")
    if process.returncode:
        raise UserError(said.strip() or f"The training process failed (exit code {process.returncode}); see above.")


def main() -> None:
    """The worker's side."""
    # A stop at the terminal reaches the parent too, which then ends this process: checkpoints are whole at any time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task = json.load(sys.stdin)
    from mlilt.training import loop

    try:
        # What a library prints must not end up in the answer.
        with contextlib.redirect_stdout(sys.stderr):
            config = configs.make(task["config"], "the comparison")
            loop.train(config, task["folder"], resume=True, offline=task["offline"], progress=task["progress"])
    except UserError as error:
        print(error)
        sys.exit(2)
