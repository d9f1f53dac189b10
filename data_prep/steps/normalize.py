"""Brings captions into Unicode's composed form (NFC) and folds white space; no letter or diacritic is touched."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace

from data_prep.records import DropLog, Example

# By Unicode category: control characters, lone surrogates.
_STAND_INS = {"Cc": " ", "Cs": "\ufffd"}


def normalize(text: str) -> str:
    """NFC, without control characters, white space folded to single spaces, none at the ends.

    Joiners (U+200C, U+200D) stay: several scripts need them. Lone surrogates become U+FFFD.
    """
    text = "".join(_STAND_INS.get(unicodedata.category(c), c) for c in unicodedata.normalize("NFC", text))
    return " ".join(text.split())


def apply(examples: Iterable[Example], log: DropLog) -> Iterator[Example]:
    """Yields every example with its texts normalized, repeated captions and keywords folded into one."""
    for example in examples:
        before = {"captions": example.captions, "keywords": example.keywords, "captions_en": example.captions_en}
        after = {field: tuple(dict.fromkeys(map(normalize, texts))) for field, texts in before.items()}
        for field in before:
            if after[field] != before[field]:
                log.change(f"{field}: Unicode, white space or repetition normalized")
        yield replace(example, **after) if after != before else example  # type: ignore[arg-type]
