"""trackio: a local dashboard on a local store (TRACKIO_DIR), which holds all runs.

Nothing is sent unless TRACKIO_SPACE_ID or TRACKIO_SERVER_URL says where to. To a user logged in to the Hugging Face Hub
trackio gives their name, for which it asks the Hub.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping
from typing import Any, ClassVar

from mlilt.training.trackers._base import Run

PROJECT = "mlilt"


class Trackio:
    """One trackio run; a resumed run goes on in the latest one of its name."""

    package: ClassVar[str] = "trackio"

    def start(self, run: Run) -> str:
        """See `Tracker.start`."""
        import trackio

        if run.offline:
            for variable in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
                os.environ.pop(variable, None)
        # What it prints to standard output is for notebooks.
        with contextlib.redirect_stdout(io.StringIO()):
            self._run: Any = trackio.init(
                project=PROJECT,
                name=run.name,
                config=run.settings,
                resume="allow" if run.first_step else "never",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return f"trackio: trackio show --project {PROJECT}"

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Tracker.log`."""
        self._run.log(dict(figures), step=step)

    def finish(self, summary: Mapping[str, float], failed: bool) -> None:
        """See `Tracker.finish`. trackio has no summary: it is one more line of figures, at the last step."""
        import trackio

        if summary:
            self._run.log(dict(summary))
        with contextlib.redirect_stdout(io.StringIO()):
            trackio.finish()


TRACKER = Trackio
