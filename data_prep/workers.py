"""Work shared out among processes of this machine; what they did comes back in any order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import as_completed
from contextlib import contextmanager
from typing import Any

import psutil

from data_prep.errors import UserError

Run = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]


def cores() -> int:
    """Processor cores that this process may use."""
    return len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count() or 1


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent, which may have been killed without a chance to say so."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    # Ctrl-C reaches all processes of a terminal; the parent speaks for them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def processes(count: int) -> Iterator[Run]:
    """Gives a function that runs calls in `count` processes, and yields what each returns as soon as it has.

    With one process the calls are run in this one. The processes end with the block, and with this process.

    Raises:
        UserError: one of them raised it, or a process died (as when memory runs out).
    """
    if count == 1:
        yield lambda function, calls: (function(*call) for call in calls)
        return
    # Processes of loky do not import the user's main module, so that a script needs no `if __name__` around its calls.
    from loky import get_reusable_executor
    from loky.process_executor import TerminatedWorkerError

    with get_reusable_executor(
        max_workers=count, timeout=None, initializer=_end_with, initargs=(os.getpid(),)
    ) as executor:

        def run(function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
            try:
                for done in as_completed([executor.submit(function, *call) for call in calls]):
                    yield done.result()
            except TerminatedWorkerError as error:
                raise UserError(
                    "A worker process died, as when memory runs out. What is done is kept: run the same command again, "
                    "with fewer --workers."
                ) from error

        try:
            yield run
        except BaseException:
            executor.shutdown(wait=True, kill_workers=True)
            raise
