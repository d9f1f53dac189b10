from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from data_prep.languages import Language
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
def language() -> Callable[..., Language]:
    """A language of which only what matters is named."""

    def build(code: str = "sw", **fields: Any) -> Language:
        plain = {"iso639_3": "swh", "name": code, "autonym": code, "script": "Latn", "sources": {"s": code}}
        return Language(code=code, **{**plain, **fields})

    return build


@pytest.fixture
def run(language: Callable[..., Language]) -> Callable[..., tuple[list[Example], list[tuple[str, str]], DropLog]]:
    """Applies a step: what it yields, what it drops as (item, reason), and its log. The language is Swahili."""

    def apply(
        step: Any, *examples: Example, lang: Language | None = None
    ) -> tuple[list[Example], list[tuple[str, str]], DropLog]:
        log = DropLog()
        passed = list(step.apply(iter(examples), lang or language(), log))
        return passed, [(d.item, d.reason) for d in log.drops], log

    return apply
