"""Leaves out captions that translators left in English, and keeps words and names that are the same in English.

Some languages of CLDR and Tux Paint hold English captions here and there. A caption equal to the English one (but for
case and punctuation) is taken for one of these

- if it has several words, unless five languages or more spell it so ("hot dog"), or each word of the English one has
  a capital, as names do ("Santa Claus"), or it is a territory's name without an English word in it ("Sri Lanka");
- if it is one word and its keywords, three or more, are all in English too.

Other single words are as likely shared words ("hotel", German "Ring") as leftovers, so they are kept: those that
five languages or more share count as loanwords, the rest is flagged for a person to look at.

In 129 languages, of 191,100 CLDR names 3,478 are equal to the English ones: 294 are left out (154 of them Filipino, 82
Zulu, 17 Maltese), 2,782 kept, 402 flagged. Of 48,400 Tux Paint captions 140 are: 31 left out, 47 kept, 62 flagged; of
31,000 territory names 5,027 are: 81 left out, 4,946 kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from data_prep.languages import Language
from data_prep.records import DropLog, Example
from data_prep.steps._base import option
from data_prep.steps._loans import LOANS
from data_prep.steps._text import flagged, key, sift

LEFT = "the caption is left in English"
SAME = "the same as in English"
KEPT = "captions the same as in English, kept as loanwords or names"
KEYWORDS = "keywords left out: left in English"

# What the English names of territories are made of besides names proper ("flag" of CLDR's "flag: England").
# fmt: off
_ENGLISH = frozenset([
    "american", "and", "british", "caribbean", "central", "china", "city", "dominican", "emirates", "equatorial",
    "european", "flag", "french", "island", "islands", "kingdom", "nations", "north", "northern", "outlying",
    "republic", "sahara", "south", "southern", "states", "territories", "territory", "united", "western",
])
# fmt: on
# With fewer keywords, chance and shared words ("islam", "religion") decide.
_KEYWORDS = 3

Verdict = Literal["left", "loan", "unsure"]


def _is_english(language: Language) -> bool:
    return language.code.split("-")[0] == "en"


def _same(text: str, english: str) -> bool:
    # "Euro-Banknote" is German for "euro banknote".
    return key(text) == key(english) and len(text.split()) == len(english.split())


def keywords_left(keywords: Collection[str], english: Collection[str]) -> set[str]:
    """Those keywords that are left in English.

    Several words equal to English ones are; single words only where there are three or more and all of them are
    equal, for many are shared (German "Ball, Rugby, Sport"). Numbers and loanwords say nothing.
    """
    known = {key(word) for word in english}
    telling = [w for w in keywords if any(c.isalpha() for c in w) and key(w) not in LOANS]
    equal = {word for word in telling if key(word) in known}
    if len(equal) >= _KEYWORDS and len(equal) == len(telling):
        return equal
    return {word for word in equal if len(word.split()) > 1}


def judge(caption: str, example: Example) -> Verdict | None:
    """What a caption equal to the English one is: left in English, a loanword or name, or either; None: not equal."""
    english = next((text for text in example.captions_en if _same(caption, text)), None)
    if english is None:
        return None
    words = key(caption).split()
    if " ".join(words) in LOANS:
        return "loan"
    if example.category == "Flags":
        return "left" if len(words) > 1 and _ENGLISH & set(words) else "loan"
    if len(english.split()) > 1:
        return "unsure" if all(word[0].isupper() for word in _spelled(english)) else "left"
    others = [word for word in example.keywords if key(word) != key(caption)]
    return "left" if len(keywords_left(others, example.keywords_en)) >= _KEYWORDS else "unsure"


def _spelled(text: str) -> list[str]:
    """The words of a text that begin with a letter, signs around them left out."""
    bare = (word.lstrip("“”\"'‘’(–-") for word in text.split())
    return [word for word in bare if word and word[0].isalpha()]


@dataclass(frozen=True, slots=True)
class STEP:
    """See the module's docstring."""

    one_word: Literal["flag", "keep", "drop"] = option("flag", "single words that may be shared, or left in English")
    several_words: Literal["drop", "flag", "keep"] = option("drop", "what is taken to be left in English")

    def apply(self, examples: Iterable[Example], language: Language, log: DropLog) -> Iterator[Example]:
        """Yields the examples with a caption that is not left in English, without keywords that are."""
        if _is_english(language):
            yield from examples
            return
        act = {"left": self.several_words, "unsure": self.one_word, "loan": "keep", None: ""}
        for example in examples:
            acts = {caption: act[judge(caption, example)] for caption in example.captions}
            faults = {caption: LEFT for caption, done in acts.items() if done == "drop"}
            if (kept := sift(example, faults.get, log)) is None:
                continue
            log.change(KEPT, sum(acts[caption] == "keep" for caption in kept.captions))
            left = keywords_left(kept.keywords, (*example.captions_en, *example.keywords_en))
            log.change(KEYWORDS, len(left))
            if left:
                kept = replace(kept, keywords=tuple(word for word in kept.keywords if word not in left))
            yield flagged(kept, SAME) if any(acts[caption] == "flag" for caption in kept.captions) else kept


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of captions that equal the English one, of a source in a language.

    Attributes:
        captions: different captions of different concepts.
        same: those equal to English.
        dropped: of these, those left out as left in English.
        kept: kept as loanwords and names.
        flagged: kept, for a person to look at.
    """

    captions: int
    same: int
    dropped: int
    kept: int
    flagged: int


def count(examples: Iterable[Example], language: Language) -> Counts:
    """Counts for a table: each caption once for a concept, however many pictures show it."""
    judged: dict[tuple[str, str], Verdict | None] = {}
    for example in examples:
        for caption in example.captions:
            if (example.concept, caption) not in judged:
                judged[example.concept, caption] = None if _is_english(language) else judge(caption, example)
    found = list(judged.values())
    left, loan, unsure = (found.count(verdict) for verdict in ("left", "loan", "unsure"))
    return Counts(len(found), left + loan + unsure, left, loan, unsure)
