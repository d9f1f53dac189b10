"""Programs that show a run while it trains. One module each; the file name is the name.

A module holds `TRACKER`, a class that makes trackers. What one writes for itself goes to `<run>/tracking/<name>/`;
`metrics.jsonl` is written by the loop, with or without trackers. Loads neither torch nor a tracker's package.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from data_prep import registry
from data_prep.errors import UserError
from mlilt import record
from mlilt.training import trackers as _package
from mlilt.training.trackers._base import Run, Tracker

__all__ = ["FOLDER", "Run", "Tracker", "Tracking", "check", "names", "start"]

# Within a run's folder; removed with what else a run leaves when it is begun anew.
FOLDER = record.TRACKING

T = TypeVar("T")


def names() -> list[str]:
    """Names of all trackers, sorted."""
    return registry.names(_package)


def check(wanted: Sequence[str]) -> None:
    """Finds out before anything is loaded whether these trackers can be used.

    Raises:
        UnknownNameError: there is no such tracker; the message suggests the nearest names.
        UserError: its package is not installed; the message names the command.
    """
    for name in wanted:
        package = _class(name).package
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"The tracker {name} needs the package {package}, which is not installed: pip install 'mlilt[{name}]'"
            )


class Tracking:
    """The trackers of one run. One that fails is left out from then on, and said so once: training goes on.

    Attributes:
        notes: where each can be looked at, a line each.
        summary: a finished run's figures, to be filled by the caller; trackers get them at the end.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.summary: dict[str, float] = {}
        self._running: dict[str, Tracker] = {}

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Hands on what was measured in a step; after a resumption from the step on where it began."""
        for name, tracker in list(self._running.items()):
            self._guarded(name, lambda tracker=tracker: tracker.log(step, figures))  # type: ignore[misc]

    def _start(self, name: str, run: Run) -> None:
        tracker: Tracker = _class(name)()
        self._running[name] = tracker
        if (note := self._guarded(name, lambda: _started(tracker, run))) is not None:
            self.notes.append(note)

    def _finish(self, failed: bool) -> None:
        for name, tracker in list(self._running.items()):
            self._guarded(name, lambda tracker=tracker: tracker.finish(self.summary, failed))  # type: ignore[misc]
        self._running.clear()

    def _guarded(self, name: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except Exception as error:
            del self._running[name]
            print(
                f"mlilt: tracking by {name} has ended: {error or type(error).__name__}. Training goes on without it; "
                "all figures are in the run's metrics.jsonl.",
                file=sys.stderr,
            )
            return None


@contextlib.contextmanager
def start(
    wanted: Sequence[str],
    folder: Path,
    name: str,
    settings: Mapping[str, Any],
    first_step: int = 0,
    offline: bool = False,
) -> Iterator[Tracking]:
    """Tracks a run while the block runs; how the block is left decides whether it finished or failed.

    Args:
        wanted: names of trackers that `check` has passed; none is fine.
        folder: the run's folder.
        name: the run's name.
        settings: plain values, shown beside the figures.
        first_step: the step that the run begins or goes on with. Later ones are taken anew; with 0 all is.
        offline: nothing may be sent anywhere, even where a user is logged in.
    """
    tracking = Tracking()
    for each in dict.fromkeys(wanted):
        tracking._start(each, Run(name, folder / FOLDER / each, dict(settings), first_step, offline))
    try:
        yield tracking
    except BaseException:
        tracking._finish(failed=True)
        raise
    tracking._finish(failed=False)


def _class(name: str) -> Any:
    return registry.module(_package, name, "tracker").TRACKER


def _started(tracker: Tracker, run: Run) -> str:
    if run.first_step == 0:
        # What an earlier run has left, which was stopped before its first checkpoint.
        shutil.rmtree(run.folder, ignore_errors=True)
    run.folder.mkdir(parents=True, exist_ok=True)
    return tracker.start(run)
