"""Brings texts into Unicode's composed form (NFC) and folds white space; more where a script's option asks for it.

No letter and no diacritic is touched unless an option says so. What options change is a script's own: each of them
touches characters of its script alone, whatever the language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from data_prep.languages import Language
from data_prep.records import DropLog, Example
from data_prep.steps._base import option
from data_prep.steps._text import key

# Control characters become spaces, lone surrogates U+FFFD; a byte order mark says nothing in a text.
_STAND_INS = {"Cc": " ", "Cs": "\ufffd"}

_PRESENTATION = re.compile("[\ufb50-\ufdff\ufe70-\ufefc]")
# Arabic: fathatan to sukun and the superscript alef. U+0653 to U+0655 are parts of letters, so they stay. Hebrew:
# cantillation and points, without the punctuation between them (U+05BE, U+05C0, U+05C3, U+05C6).
_VOWEL_MARKS = re.compile("[\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")
# The full stop typed as two word spaces or two ASCII colons, and stops in a row. A single colon is left alone: clock
# times and abbreviations have it.
_STOP = re.compile("(?<=[\u1200-\u135f\u1380-\u138f\u2d80-\u2ddf\uab00-\uab2f])\\s*[:\u1361]\\s?[:\u1361](?![:\u1361])")
_STOPS = re.compile("\u1362(?:\\s*\u1362)+")


def normalize(text: str) -> str:
    """NFC, without control characters, white space folded to single spaces, none at the ends.

    Joiners (U+200C, U+200D) stay: several scripts need them. Lone surrogates become U+FFFD.
    """
    text = "".join(_STAND_INS.get(unicodedata.category(c), c) for c in text.replace("\ufeff", ""))
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _fold_form(match: re.Match[str]) -> str:
    # Marks in their isolated form are compatible with a space and the mark.
    return unicodedata.normalize("NFKC", match[0]).lstrip(" ")


def fold_presentation_forms(text: str) -> str:
    """Arabic letters written as their shapes and ligatures (U+FB50-FDFF, U+FE70-FEFC) as plain letters."""
    return _PRESENTATION.sub(_fold_form, text)


def drop_tatweel(text: str) -> str:
    """Without the stroke that lengthens Arabic words (U+0640)."""
    return text.replace("\u0640", "")


def drop_vowel_marks(text: str) -> str:
    """Without Arabic harakat, and Hebrew points and cantillation."""
    # Composed letters such as U+0623 stay whole: none of NFC's contains one of these marks.
    return _VOWEL_MARKS.sub("", text)


def mend_ethiopic_punctuation(text: str) -> str:
    """The Ethiopic full stop where it was typed as two word spaces or two colons after an Ethiopic letter."""
    return _STOPS.sub("\u1362", _STOP.sub("\u1362", text))


@dataclass(frozen=True, slots=True)
class STEP:
    """See the module's docstring."""

    tatweel: Literal["keep", "drop"] = option("keep", "the stroke that lengthens Arabic words")
    presentation_forms: bool = option(False, "write Arabic letters given as their shapes (U+FB50 on) as plain letters")
    vowel_marks: Literal["keep", "drop"] = option("keep", "Arabic harakat and Hebrew points")
    ethiopic_punctuation: bool = option(False, "write :: and ፡፡ as the Ethiopic full stop")

    def _kinds(self) -> Iterator[tuple[str, Callable[[str], str]]]:
        yield "brought into NFC, white space and control characters folded", normalize
        if self.presentation_forms:
            yield "Arabic presentation forms folded", fold_presentation_forms
        if self.tatweel == "drop":
            yield "tatweel dropped", drop_tatweel
        if self.vowel_marks == "drop":
            yield "vowel marks dropped", drop_vowel_marks
        if self.ethiopic_punctuation:
            yield "Ethiopic full stops mended", mend_ethiopic_punctuation

    def apply(self, examples: Iterable[Example], language: Language, log: DropLog) -> Iterator[Example]:
        """Yields every example with its texts normalized, repeated ones folded into the first."""
        kinds = list(self._kinds())

        def mended(field: str, texts: tuple[str, ...]) -> tuple[str, ...]:
            after = []
            for text in texts:
                for what, change in kinds:
                    changed = change(text)
                    if changed != text:
                        log.change(f"{field}: {what}")
                    text = changed
                # What an option left may end in a space, or compose.
                after.append(normalize(text))
            once = tuple({key(text) or text: text for text in reversed(after)}.values())[::-1]
            log.change(f"{field}: repeated, but for case and punctuation", len(texts) - len(once))
            return once

        for example in examples:
            yield replace(
                example,
                captions=mended("captions", example.captions),
                keywords=mended("keywords", example.keywords),
                captions_en=mended("captions_en", example.captions_en),
            )
