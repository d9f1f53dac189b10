"""Progress bars on standard error, with rate and time left; silent when asked to be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _RateColumn(ProgressColumn):
    """Things a second, over the recent past."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {task.fields.get('unit', '')}/s", style="cyan")


class Bar:
    """One running bar: `advance` it, or change the text behind it."""

    def __init__(self, progress: Progress, description: str, total: int | None, unit: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total, unit=unit, note="")

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Moves on by `count`; `note` replaces the text at the end of the line."""
        if note is None:
            self._progress.update(self._task, advance=count)
        else:
            self._progress.update(self._task, advance=count, note=note)


@contextmanager
def bar(description: str, total: int | None, unit: str = "items", show: bool = True) -> Iterator[Bar]:
    """Shows a bar while the block runs; off a terminal only the end is printed. `total=None`: the time alone."""
    text = TextColumn("{task.description}")
    note = TextColumn("{task.fields[note]}")
    if total is None:
        columns: tuple[ProgressColumn, ...] = (SpinnerColumn(), text, TimeElapsedColumn(), note)
    else:
        bars = (BarColumn(bar_width=20), MofNCompleteColumn(), _RateColumn())
        columns = (text, *bars, TimeElapsedColumn(), TimeRemainingColumn(compact=True), note)
    with Progress(*columns, console=Console(stderr=True), disable=not show) as progress:
        yield Bar(progress, description, total, unit)
