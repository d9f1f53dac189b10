"""What several steps know of text: when two captions are the same, and how faulty ones are left out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from data_prep.records import DropLog, Example


@cache
def _folded(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return " " if category[0] in "PZC" else character


def key(text: str) -> str:
    """What is left of a text when case, width, punctuation, joiners and white space do not count; diacritics do."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(map(_folded, folded)).split())


def sift(example: Example, fault: Callable[[str], str | None], log: DropLog) -> Example | None:
    """Leaves out the captions that have a fault, the whole example where all have one.

    Args:
        example: one with captions.
        fault: why a caption is of no use, as a short fixed phrase; None if it is of use.
        log: told of each caption left out.
    """
    faults = [fault(text) for text in example.captions]
    if not any(faults):
        return example
    captions = tuple(text for text, bad in zip(example.captions, faults, strict=True) if bad is None)
    if not captions:
        log.leave_out(example, next(bad for bad in faults if bad))
        return None
    for text, bad in zip(example.captions, faults, strict=True):
        if bad:
            log.leave_out(example, bad, text=text, about=" (one of its captions)")
    return replace(example, captions=captions)


def flagged(example: Example, flag: str) -> Example:
    """The example with a flag more, unless it has it."""
    return example if flag in example.flags else replace(example, flags=(*example.flags, flag))
