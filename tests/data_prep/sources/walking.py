"""A walk through a source in miniature: its examples, held to the contract, and its files changed at random."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.records import DropLog, Example
from tests import fuzzing

# What is no table.
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".svg"}


def walk(source: Any, locale: str, root: Path, **columns: str) -> tuple[list[Example], list[tuple[str, str]]]:
    """All examples of a source, and what it left out as (item, reason).

    What a source reads well is then changed at random, file by file, and must be read or refused in order.

    Args:
        source: what is read.
        locale: in the source's own terms.
        root: the folder or file that the user points to.
        columns: the names of a user's own columns, for the sources that take them.
    """
    if columns:
        source = replace(source, columns=columns)
    log = DropLog()
    examples = list(source.examples(locale, {"root": root}, log))
    assert examples == list(source.examples(locale, {"root": root}, DropLog()))
    # A user's own rows may say their own licences.
    licences = None if hasattr(source, "columns") else set(source.about.licences)
    assert all(licences is None or set(e.licence.split("+")) <= licences for e in examples)
    assert all(e.attribution and e.concept for e in examples)
    assert len({e.source for e in examples} | {d.source for d in log.drops}) <= 1
    _fuzz(source, locale, root)
    return examples, [(d.item, d.reason) for d in log.drops]


def _fuzz(source: Any, locale: str, root: Path) -> None:
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    tables = [path for path in files if path.suffix.lower() not in _PICTURES]
    name = getattr(source, "name", type(source).__module__.rsplit(".", 1)[-1])
    for path in tables:
        fuzzing.fuzz_in_place(name, path, lambda: list(source.examples(locale, {"root": root}, DropLog())))
