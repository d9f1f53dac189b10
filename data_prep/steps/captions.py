"""Leaves out captions that say nothing, and pictures that are left without any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from data_prep.records import DropLog, Example

MAX_CHARACTERS = 1000


def fault(text: str) -> str | None:
    """Why a caption is of no use, as a short fixed phrase; None if it is."""
    if not text:
        return "the caption is empty"
    if "\ufffd" in text:
        return "the caption is not UTF-8, or lost characters (U+FFFD)"
    if not any(c.isalnum() for c in text):
        return "the caption is only punctuation"
    if len(text) > MAX_CHARACTERS:
        return f"the caption has more than {MAX_CHARACTERS} characters"
    return None


def apply(examples: Iterable[Example], log: DropLog) -> Iterator[Example]:
    """Yields the examples that have a caption; faulty captions and keywords are left out of the others."""
    for example in examples:
        if not example.captions:
            log.drop(example.source, example.item, "there is no caption in this language")
            continue
        faults = [fault(text) for text in example.captions]
        captions = tuple(text for text, bad in zip(example.captions, faults, strict=True) if bad is None)
        if not captions:
            log.drop(example.source, example.item, next(bad for bad in faults if bad))
            continue
        for bad in faults:
            if bad:
                log.drop(example.source, f"{example.item} (one of its captions)", bad)
        keywords = tuple(word for word in example.keywords if fault(word) is None)
        log.change("keywords left out: empty or only punctuation", len(example.keywords) - len(keywords))
        yield replace(example, captions=captions, keywords=keywords)
