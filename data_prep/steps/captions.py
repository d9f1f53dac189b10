"""Leaves out captions that say nothing, are too short or too long, and pictures that are left without any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from data_prep.languages import Language
from data_prep.records import DropLog, Example
from data_prep.steps._base import option
from data_prep.steps._text import sift


def empty(text: str) -> str | None:
    """Why a caption says nothing, as a short fixed phrase; None if it says something."""
    if not text:
        return "the caption is empty"
    if "\ufffd" in text:
        return "the caption is not UTF-8, or lost characters (U+FFFD)"
    if not any(c.isalnum() for c in text):
        return "the caption is only punctuation"
    return None


@dataclass(frozen=True, slots=True)
class STEP:
    """See the module's docstring. A limit of 0 is none."""

    min_characters: int = option(0, "shorter captions are left out")
    max_characters: int = option(1000, "longer captions are left out")
    max_words: int = option(0, "captions with more words are left out (scripts without spaces: count characters)")

    def fault(self, text: str) -> str | None:
        """Why a caption is of no use, as a short fixed phrase; None if it is of use."""
        if bad := empty(text):
            return bad
        if len(text) < self.min_characters:
            return f"the caption has fewer than {self.min_characters} characters"
        if self.max_characters and len(text) > self.max_characters:
            return f"the caption has more than {self.max_characters} characters"
        if self.max_words and len(text.split()) > self.max_words:
            return f"the caption has more than {self.max_words} words"
        return None

    def apply(self, examples: Iterable[Example], language: Language, log: DropLog) -> Iterator[Example]:
        """Yields the examples that have a caption; faulty captions and keywords are left out of the others."""
        for example in examples:
            if not example.captions:
                log.leave_out(example, "there is no caption in this language")
                continue
            if (kept := sift(example, self.fault, log)) is None:
                continue
            keywords = tuple(word for word in kept.keywords if empty(word) is None)
            log.change("keywords left out: empty or only punctuation", len(kept.keywords) - len(keywords))
            yield replace(kept, keywords=keywords) if keywords != kept.keywords else kept
