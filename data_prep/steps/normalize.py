"""Brings captions into Unicode's composed form (NFC) and folds white space; no letter or diacritic is touched."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace

from data_prep.records import DropLog, Example


def normalize(text: str) -> str:
    """NFC, without control characters, white space folded to single spaces, none at the ends.

    Joiners (U+200C, U+200D) stay: several scripts need them. Lone surrogates become U+FFFD.
    """
    text = text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
    text = "".join(" " if unicodedata.category(c) == "Cc" else c for c in unicodedata.normalize("NFC", text))
    return " ".join(text.split())


def apply(examples: Iterable[Example], log: DropLog) -> Iterator[Example]:
    """Yields every example with its texts normalized, repeated captions and keywords folded into one."""
    for example in examples:
        changed = {}
        for field in ("captions", "keywords", "captions_en"):
            before: tuple[str, ...] = getattr(example, field)
            after = tuple(dict.fromkeys(normalize(text) for text in before))
            if after != before:
                log.change(f"{field}: Unicode, white space or repetition normalized")
                changed[field] = after
        yield replace(example, **changed) if changed else example
