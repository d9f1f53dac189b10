"""TensorBoard: event files in the run's folder; nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mlilt.training.trackers._base import Run

# Seconds until a figure is on disk; it is watched live.
_FLUSH_S = 10


class TensorBoard:
    """Curves of all figures; settings and results in the HParams tab, where runs are compared."""

    package: ClassVar[str] = "tensorboard"

    def start(self, run: Run) -> str:
        """See `Tracker.start`. What was written from `first_step` on is hidden: it is measured again."""
        from torch.utils.tensorboard import SummaryWriter

        self._settings = {key: _scalar(value) for key, value in run.settings.items()}
        self._writer: Any = SummaryWriter(str(run.folder), purge_step=run.first_step, flush_secs=_FLUSH_S)
        return f"TensorBoard: tensorboard --logdir {run.folder}"

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Tracker.log`."""
        for key, value in figures.items():
            self._writer.add_scalar(key, value, step)

    def finish(self, summary: Mapping[str, float], failed: bool) -> None:
        """See `Tracker.finish`."""
        if summary and not failed:
            self._writer.add_hparams(self._settings, dict(summary), run_name=".")
        self._writer.close()


def _scalar(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)


TRACKER = TensorBoard
