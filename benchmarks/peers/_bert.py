"""The text tower as users of plain transformers have it."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def pooled(bert: Any, inputs: Any) -> Tensor:
    """Means over the tokens of padded captions, float32 of shape (n, width)."""
    hidden = bert(**inputs).last_hidden_state.float()
    keep = inputs["attention_mask"].unsqueeze(-1)
    found: Tensor = (hidden * keep).sum(1) / keep.sum(1)
    return found
