"""Trains runs, each in a process of its own, without each loading torch and all around it anew.

The parent writes tasks as lines of JSON to the worker's standard input and reads an answer a task from its standard
output; progress goes to the standard error that all share. The worker imports what training needs, computes nothing
itself, and forks for each task: memory, random generators and whatever else a run changes are its own and end with it,
and so does a run that is killed. Where forking is not safe (outside Linux; CUDA) a worker trains one run itself, and
the next run gets another worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from data_prep.errors import UserError
from mlilt import config as configs
from mlilt.config import RunConfig

# What a run imports on its way, some of it not before it is needed: here all is there before the first fork.
_NEEDED = (
    "mlilt.training.loop",
    "timm",
    "peft",
    "transformers.models.bert.modeling_bert",
    "transformers.models.xlm_roberta.modeling_xlm_roberta",
    "pyarrow.dataset",
    "pandas",
)
_PR_SET_PDEATHSIG = 1


class Worker:
    """The parent's side, for as long as the `with` block lasts. A worker is started when there is something to do.

    Args:
        offline: use only what is on this machine.
        progress: show progress bars.
        threads: that a run computes with on a CPU; by default as many as there are cores.
    """

    def __init__(self, offline: bool, progress: bool, threads: int | None = None) -> None:
        self._offline = offline
        self._progress = progress
        self._threads = threads
        self._over = False
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Another thread may be about to start a run.
        self._over = True
        self._end()

    def train(self, config: RunConfig, folder: Path) -> None:
        """Trains a run, or goes on with one that was stopped, and waits for it.

        Raises:
            UserError: it could not be trained, or its process was killed; the next run is not concerned.
        """
        task = {
            "config": config.outcome(),
            "folder": str(folder),
            "offline": self._offline,
            "progress": self._progress,
        }
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(task) + "\n")
                process.stdin.flush()
            line = process.stdout.readline()
            answer: dict[str, Any] = json.loads(line) if line else {"error": None, "exit": process.wait(), "last": True}
        except BaseException:
            self._end()
            raise
        if answer["last"]:
            self._end()
        _judge(answer["error"], answer["exit"])

    def _running(self) -> subprocess.Popen[str]:
        if self._over:
            raise UserError("The comparison was stopped.")
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            # -P: a file in the current folder must not stand in for a package of the same name.
            command = [sys.executable, "-P", "-c", f"from {__name__} import main; main()", str(os.getpid())]
            own = {} if self._threads is None else {"OMP_NUM_THREADS": str(self._threads)}
            self._process = subprocess.Popen(
                command, env={**os.environ, **own}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        return self._process

    def _end(self) -> None:
        """Ends the worker, and what it trains; checkpoints are whole at any time."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        process.wait()
        # The run's own process has the same standard output: at its end that process is gone too.
        if process.stdout is not None:
            process.stdout.read()
            process.stdout.close()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def train_alone(config: RunConfig, folder: Path, offline: bool, progress: bool) -> None:
    """Trains one run in a process of its own; see `Worker.train`."""
    with Worker(offline, progress) as worker:
        worker.train(config, folder)


def _judge(error: str | None, code: int) -> None:
    """Raises what a run's process said, or the way it ended."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = " Most likely the machine ran out of memory: lower --batch-size." if name == "SIGKILL" else ""
        raise UserError(f"The training process was ended by {name}.{hint} What it had done is kept.")
    if error is not None:
        raise UserError(error)
    if code:
        raise UserError(f"The training process failed (exit code {code}); see above.")


def main() -> None:
    """The worker's side."""
    # A stop at the terminal reaches the parent too, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What a library prints must not end up among the answers.
    os.dup2(2, 1)
    for name in _NEEDED:
        # Should a package move a module, a run finds its own way to what it needs.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        task = json.loads(line)
        # A process that has seen a GPU cannot be forked into one that uses it, and an import may look for one.
        forks = sys.platform == "linux" and task["config"]["device"] == "cpu"
        answer = _forked(task) if forks else {"error": _train(task), "exit": 0}
        print(json.dumps({**answer, "last": not forks}), file=answers, flush=True)


def _forked(task: dict[str, Any]) -> dict[str, Any]:
    """Trains in a process that is forked off for it; what it said is wrong, and how it ended."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(task, theirs, os.getpid()))
    process.start()
    theirs.close()
    try:
        error = ours.recv()
    except EOFError:
        error = None
    process.join()
    return {"error": error, "exit": process.exitcode}


def _child(task: dict[str, Any], answer: Connection, parent: int) -> None:
    _end_with(parent)
    answer.send(_train(task))


def _train(task: dict[str, Any]) -> str | None:
    """Trains, and gives what is wrong if a user can mend it. Anything else ends the process."""
    from mlilt.training import loop

    try:
        config = configs.make(task["config"], "the comparison")
        loop.train(config, task["folder"], resume=True, offline=task["offline"], progress=task["progress"])
    except UserError as error:
        return str(error)
    return None


def _end_with(parent: int) -> None:
    """Has the kernel end this process as soon as its parent is gone, which may be killed without a chance to do so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
