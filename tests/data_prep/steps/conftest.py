from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from data_prep.records import DropLog, Example


@pytest.fixture
def example() -> Callable[..., Example]:
    """An Example of which only what matters is named."""

    def build(**fields: Any) -> Example:
        plain = {
            "picture": b"",
            "captions": ("mbwa",),
            "concept": "dog",
            "source": "s",
            "licence": "",
            "attribution": "",
        }
        return Example(**{**plain, **fields})

    return build


@pytest.fixture
def run() -> Callable[..., tuple[list[Example], list[tuple[str, str]], DropLog]]:
    """Applies a step: what it yields, what it drops as (item, reason), and its log."""

    def apply(step: Any, *examples: Example) -> tuple[list[Example], list[tuple[str, str]], DropLog]:
        log = DropLog()
        passed = list(step.apply(iter(examples), log))
        return passed, [(d.item, d.reason) for d in log.drops], log

    return apply
