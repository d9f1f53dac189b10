"""Weights & Biases: offline in the run's folder, unless the user is logged in or has set WANDB_MODE.

Settings, figures and the summary are all that it is given: no host name, command line, code, git state, list of
packages or machine's load. W&B's own reports on how it is used are off unless WANDB_ERROR_REPORTING is set.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from mlilt.training.trackers._base import Run

PROJECT = "mlilt"
_ID = "mlilt-run-id"


class WeightsAndBiases:
    """One W&B run; its id is kept in the run's folder, so that a resumed run goes on in it."""

    package: ClassVar[str] = "wandb"

    def start(self, run: Run) -> str:
        """See `Tracker.start`."""
        wandb = _wandb()
        kept = run.folder / _ID
        if not kept.is_file():
            kept.write_text(uuid.uuid4().hex[:8], encoding="utf-8")
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            id=kept.read_text(encoding="utf-8"),
            resume="allow",
            # It adds a folder named wandb, which is the one given.
            dir=run.folder.parent,
            config=run.settings,
            mode=_mode(run.offline),
            settings=wandb.Settings(
                silent=True,
                console="off",
                host="",
                x_disable_machine_info=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )
        # W&B's own count never goes back, as steps do that are taken again after a resumption.
        self._run.define_metric("*", step_metric="step")
        if self._run.offline:
            return f"W&B, offline: wandb leet {run.folder}; to send it: wandb sync {run.folder}/offline-run-*"
        return f"W&B: {self._run.url}"

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Tracker.log`."""
        self._run.log({"step": step, **figures})

    def finish(self, summary: Mapping[str, float], failed: bool) -> None:
        """See `Tracker.finish`."""
        self._run.summary.update(dict(summary))
        self._run.finish(exit_code=int(failed))


def _wandb() -> Any:
    # Read when wandb is imported: else it reports on offline runs, too.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    return wandb


def _mode(offline: bool) -> Literal["online", "offline"] | None:
    """Where to log to; None leaves it to WANDB_MODE."""
    if offline:
        return "offline"
    if os.environ.get("WANDB_MODE"):
        return None
    # Asks neither the user nor the server.
    return "online" if _wandb().login(prompt=False, verify=False) else "offline"


TRACKER = WeightsAndBiases
