"""Signals at random moments of preparing, computing features, training, comparing, indexing and exporting.

Each stage is run undisturbed first. A trial starts it anew, sends a signal after a time drawn at random from how long
that took, to all its processes or to it alone (as the kernel does when memory runs out), and runs the same command
again; what it leaves must be that of the undisturbed run. SIGINT and SIGTERM have to end it in order, and how long that
takes is measured. Commands run as in a new process, but for their imports: each is forked from this one, which computes
nothing itself.

`python -m benchmarks.reliability.kills --trials 200`, and with `--signals int+term` or `--stages train+index`.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks._cache import without_features
from benchmarks._table import show
from benchmarks.reliability import as_program
from data_prep.carriers import file_digest

TRIALS = 200
CONCEPTS = 25
# Imported before anything is forked; the rest a command imports by itself.
_NEEDED = (
    "mlilt.cli.main",
    "mlilt.training.loop",
    "mlilt.search",
    "mlilt.export",
    "timm",
    "peft",
    "sentence_transformers",
)


class Stage(NamedTuple):
    """A command to be killed.

    Attributes:
        command: its arguments, within the folder that `ready` made.
        again: what is added when it is given again in this folder.
        ready: makes all it needs in an empty folder.
        result: what it left, in a form that can be compared.
    """

    command: list[str]
    again: Callable[[Path], list[str]]
    ready: Callable[[Path], None]
    result: Callable[[Path], object]


def run(trials: int = TRIALS, signals: str = "kill", stages: str = "", seed: int = 0) -> None:
    """Prints a line for each stage; `signals` and `stages` are names joined by "+", all stages by default."""
    numbers = [signal.Signals[f"SIG{name.upper()}"] for name in signals.split("+")]
    for name in _NEEDED:
        importlib.import_module(name)
    draws = random.Random(seed)
    lines = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        known = _stages(root)
        chosen = {name: known[name] for name in stages.split("+")} if stages else known
        # As many trials of each; the rest go to the first stages.
        shares = Counter(list(chosen)[n % len(chosen)] for n in range(trials))
        for name, stage in chosen.items():
            seconds, expected = _undisturbed(stage, root / "undisturbed")
            same, ends = 0, list[float]()
            for number in range(shares[name]):
                folder = root / f"{name}-{number}"
                _ready(stage, folder)
                process = _start(stage.command, folder)
                sent = draws.choice(numbers)
                if _send(process, draws.uniform(0, seconds), sent, draws.random() < 0.5):
                    begun = time.perf_counter()
                    code = _wait(process)
                    ends.append(time.perf_counter() - begun)
                    # One that is about to end may end well.
                    if code not in (0, -sent if sent == signal.SIGKILL else 128 + sent):
                        print(f"{name} {number}: {sent.name} was answered by {code}", flush=True)
                code = _wait(_start([*stage.command, *stage.again(folder)], folder))
                found = stage.result(folder) if code == 0 else f"exit code {code}"
                same += found == expected
                if found != expected:
                    kept = Path(tempfile.mkdtemp(prefix=f"{name}-{number}-"))
                    shutil.copytree(folder, kept, dirs_exist_ok=True)
                    print(f"{name} {number}: {found!r} instead of {expected!r}; kept in {kept}", flush=True)
                shutil.rmtree(folder)
            longest = f"{max(ends, default=0.0):.1f}"
            lines.append(
                (name, f"{seconds:.1f}", str(shares[name]), str(len(ends)), longest, f"{same} of {shares[name]}")
            )
            print(" ".join(lines[-1]), flush=True)
    headings = ("stage", "undisturbed, s", "trials", "met before its end", "then ran at most, s", "same after a rerun")
    show(headings, lines)


def _ready(stage: Stage, folder: Path) -> None:
    """A folder with all that a stage needs."""
    folder.mkdir()
    stage.ready(folder)


def _resumed(folder: Path) -> list[str]:
    """Where a run was begun it is gone on with."""
    return ["--resume"] if (folder / "run" / "config.toml").is_file() else []


def _replaced(folder: Path) -> list[str]:
    """An export that was whole before the kill is replaced."""
    return ["--force"] if (folder / "export" / "export.json").is_file() else []


def _as_before(folder: Path) -> list[str]:
    return []


def _undisturbed(stage: Stage, folder: Path) -> tuple[float, object]:
    _ready(stage, folder)
    begun = time.perf_counter()
    code = _wait(_start(stage.command, folder))
    seconds = time.perf_counter() - begun
    if code:
        raise RuntimeError((folder / "log").read_text(encoding="utf-8"))
    found = stage.result(folder)
    shutil.rmtree(folder)
    return seconds, found


def _start(arguments: list[str], folder: Path) -> int:
    """A process of a group of its own that runs a command in a folder; what it says goes to `log` there."""
    sys.stdout.flush()
    sys.stderr.flush()
    if process := os.fork():
        return process
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(log, number)
        os.environ["MLILT_CACHE"] = str(folder / "cache")
        sys.argv = ["mlilt", *arguments]
        from mlilt.cli import main

        main.main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(code)


def _send(process: int, after: float, number: int, all_: bool) -> bool:
    """Sends a signal to a process, or to all of its group if so asked; whether it was still running."""
    end = time.perf_counter() + after
    while time.perf_counter() < end:
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            _wait(process)
            return False
        time.sleep(0.002)
    (os.killpg if all_ else os.kill)(process, number)
    return True


def _wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _stages(root: Path) -> dict[str, Stage]:
    """What is killed. Data, run and cache of the later ones are made here once."""
    made = root / "made"
    made.mkdir()
    without_features(made)
    prep = ["prep", "--lang", "sw", "--limit", str(CONCEPTS), "--offline", "--out", "data", "--workers", "2"]
    settings = ["--lang", "sw", "--data", "data", "--offline", "--batch-size", "16"]
    train = ["train", *settings, "--strategy", "layernorm", "--epochs", "6", "--out", "run"]
    for command in (prep, train):
        if code := _wait(_start(command, made)):
            raise RuntimeError(f"{code}: {(made / 'log').read_text(encoding='utf-8')}")

    def having(*names: str, features: bool) -> Callable[[Path], None]:
        def ready(folder: Path) -> None:
            without_features(folder)
            for name in (*names, *(["cache/features"] if features else [])):
                # The same size and times, since an index goes by them.
                shutil.copytree(made / name, folder / name, ignore=shutil.ignore_patterns(".lock"))

        return ready

    compare = ["compare", *settings, "--strategy", "frozen", "--strategy", "layernorm", "--seeds", "1", "--epochs", "2"]
    return {
        "prep": Stage(prep, _as_before, having(features=False), lambda folder: _files(folder / "data")),
        "features": Stage(
            [*train[:-4], "--epochs", "1", "--out", "run"],
            _resumed,
            having("data", features=False),
            lambda folder: (_files(folder / "cache" / "features"), _weights(folder / "run")),
        ),
        "train": Stage(train, _resumed, having("data", features=True), lambda folder: _weights(folder / "run")),
        "compare": Stage(
            [*compare, "--out", "report", "--format", "json"],
            _as_before,
            having("data", features=True),
            lambda folder: [_weights(run) for run in sorted((folder / "runs").iterdir()) if run.is_dir()],
        ),
        "index": Stage(
            ["index", "run", "data", "--out", "index", "--offline"],
            _as_before,
            having("data", "run", features=False),
            _index,
        ),
        "export": Stage(
            ["export", "run", "--to", "sentence-transformers", "--out", "export", "--offline"],
            _replaced,
            having("data", "run", features=False),
            lambda folder: _files(folder / "export"),
        ),
    }


def _files(folder: Path) -> dict[str, str]:
    """Digests of all files but locks."""
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def _weights(run_: Path) -> object:
    """Weights, ranks of all queries, and the losses of all steps."""
    lines = [json.loads(line) for line in (run_ / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    known = [{key: value for key, value in line.items() if key != "wall_s"} for line in lines]
    return file_digest(run_ / "trained.safetensors"), file_digest(run_ / "queries.jsonl"), known


def _index(folder: Path) -> tuple[str, list[str]]:
    """The vectors, and which pictures there are; not how often the index changed on its way."""
    from mlilt.search.store import Rows, read_about

    about = read_about(folder / "index")
    vectors = file_digest(folder / "index" / about.vectors.name)
    return vectors, [str(row.item.image_id) for row in Rows(folder / "index" / about.table.name)]


if __name__ == "__main__":
    as_program(run, __doc__, trials=TRIALS, signals="kill", stages="")
