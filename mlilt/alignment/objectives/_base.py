"""What an objective is."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Objective(Protocol):
    """Scores rows of similarities.

    Attributes:
        bias: where a learned bias of all similarities starts; None if the objective has none.
    """

    @property
    def bias(self) -> float | None: ...

    def rows(self, logits: Tensor, positive: Tensor, smoothing: float) -> Tensor:
        """The loss of each row.

        Args:
            logits: similarities over the temperature, and the bias added if there is one; float of shape (rows, all).
            positive: bool of the same shape; each row holds at least one True.
            smoothing: label smoothing, 0 to 1.

        Returns:
            float of shape (rows,).
        """
        ...
