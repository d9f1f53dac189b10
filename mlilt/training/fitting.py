"""`--batch-size auto`: a batch that suits the data, in chunks that fit into the memory there is.

How many captions share a batch is a matter of quality and follows from the data alone; how many are encoded at a time
changes no gradient (gradient caching, Gao et al., RepL4NLP 2021) and follows from the memory. What fits is not guessed:
a step is trained, in processes of their own, and the chunk halved until one ends well.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from data_prep.errors import UserError
from mlilt import config as configs
from mlilt import record
from mlilt.config import RunConfig
from mlilt.training import distributed, folders, loop
from mlilt.training.resolve import resolve

AUTO = "auto"
# A training has so many steps at least, where the data lets it: larger batches would leave too few.
_STEPS = 100
_LARGEST = 4096
# Of the memory that is free now; the rest is for what comes and goes meanwhile.
_SHARE = 0.9
# Within this time a process takes less than the rest.
_LOOK_S = 0.02


def fit(
    settings: dict[str, Any],
    origin: str,
    out: Path | str | None = None,
    *,
    force: bool = False,
    offline: bool = False,
    processes: int = 1,
    told: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Settings with `batch_size` and `chunk_size` found, if the batch size is "auto"; others as they are.

    A run that was begun in the same folder keeps the sizes it has.

    Args:
        settings: not checked yet.
        origin: where they come from, for errors.
        out: the run's folder, if it is not the default one.
        force: the run starts anew.
        offline: use only what is on this machine.
        processes: how many will train together.
        told: given a line for each size that is tried.

    Raises:
        UserError: settings that do not fit, or memory that does not suffice for a batch of two captions.
    """
    if settings.get("batch_size") != AUTO:
        return settings
    if distributed.size() > 1:
        raise UserError("--batch-size auto tries sizes before processes are started: use --gpus instead of torchrun.")
    others = {key: value for key, value in settings.items() if key != "batch_size"}
    config = resolve(configs.make({**others, "batch_size": max(2, processes)}, origin))
    begun = Path(out or folders.default(config)) / record.CONFIG
    if begun.is_file() and not force:
        earlier = configs.read(begun)
        return {**others, "batch_size": earlier.batch_size, "chunk_size": earlier.chunk_size}
    found = loop.check(config, offline, processes)
    batch = _batch(loop.captions(config, found), config.epochs, processes)
    assert config.chunk_size is not None, "settings are resolved"
    chunk = min(config.chunk_size, batch)
    while True:
        tried = config.model_copy(update={"batch_size": batch, "chunk_size": chunk})
        told(f"Trying a batch of {batch:,} captions, {chunk:,} at a time ...")
        if _fits(tried, offline, processes):
            return {**others, "batch_size": batch, "chunk_size": chunk}
        if chunk > 1:
            chunk //= 2
        elif batch > 2 * processes:
            batch //= 2
        else:
            raise UserError(
                "Not even a batch of two captions fits into the memory there is. Close other programs, or choose a "
                "smaller --text or --vision."
            )


def _batch(captions: int, epochs: int, processes: int) -> int:
    """The largest power of two for each process with which epochs of so many captions have their steps."""
    largest = min(captions * epochs // _STEPS, captions, _LARGEST)
    # The power of two below a number is that of its highest bit.
    return processes << max(1, (largest // processes).bit_length() - 1)


def _fits(config: RunConfig, offline: bool, processes: int) -> bool:
    """Whether a step trains, and its run is evaluated, in processes that may have the memory that is free.

    Processes that take more are ended from here. A limit that the system keeps (`RLIMIT_DATA`) would refuse memory
    inside of them, and libraries that are refused a thread wait for it for good.
    """
    limit = psutil.virtual_memory().available * _SHARE
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        tempfile.TemporaryDirectory() as place,
    ):
        settings = Path(place) / record.CONFIG
        configs.write(config.model_copy(update={"budget_s": 1e-3, "min_steps": 0}), settings)
        command = [sys.executable, "-P", "-m", "mlilt", "train", "--config", str(settings), "--json"]
        command += ["--out", str(Path(place) / "run")]
        command += [*(["--offline"] if offline else []), *(["--gpus", str(processes)] * (processes > 1))]
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        try:
            while process.poll() is None:
                time.sleep(_LOOK_S)
                if _taken(process) > limit:
                    return False
        finally:
            _end(process)
        said.seek(0)
        told = said.read()
    code = process.returncode
    if code == 0:
        return True
    killed = {-signal.SIGKILL, 128 + signal.SIGKILL}
    if code in killed or loop.TOO_LARGE in told or "MemoryError" in told:
        return False
    raise UserError(f"A step to find a batch size failed: {told.strip()[-2000:] or code}")


def _family(process: psutil.Popen) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _taken(process: psutil.Popen) -> int:
    """Bytes of memory that a process and those it started have for themselves; what they map of files can be freed."""
    taken = 0
    for one in _family(process):
        # A process of several may end at any moment.
        with contextlib.suppress(psutil.NoSuchProcess):
            memory = one.memory_info()
            taken += memory.rss - getattr(memory, "shared", 0)
    return taken


def _end(process: psutil.Popen) -> None:
    for one in _family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
