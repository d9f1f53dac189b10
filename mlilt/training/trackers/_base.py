"""What a tracker is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Run:
    """A run as trackers are told of it.

    Attributes:
        name: the run's name.
        folder: where this tracker may write; there already.
        settings: plain values: texts, numbers, truth values, lists of these.
        first_step: the step that the run begins or goes on with; 0 is a new run.
        offline: nothing may be sent anywhere.
    """

    name: str
    folder: Path
    settings: dict[str, Any]
    first_step: int
    offline: bool


class Tracker(Protocol):
    """Shows one run. Its methods may raise whatever they like: the caller goes on without it.

    Without a login or a setting of the user's for it, nothing is sent anywhere. Nothing is printed to standard output.

    Attributes:
        package: what is imported; `pip install 'mlilt[NAME]'` brings it.
    """

    package: ClassVar[str]

    def start(self, run: Run) -> str:
        """Begins, or goes on with, a run; returns one line that says where to look at it."""
        ...

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Takes what was measured in a step; figures with a common part before a slash are shown together."""
        ...

    def finish(self, summary: Mapping[str, float], failed: bool) -> None:
        """Ends the run; the summary is of a finished one, and may be empty."""
        ...
