"""Leaves out captions that are mostly in another script than the language's.

What is counted are letters, and words as well, since a word takes few letters in one script and many in another: a
caption goes if both the share of letters and that of words lie below `share`. Single Latin letters and short words in
Latin capitals (ATM, TV, DVD) count for no script, as every language takes them over.

Of the 239,600 CLDR names and Tux Paint captions in 129 languages, 47 go. About thirty are English words (joystick,
selfie, softball) or in letters that only look right; sixteen are lower-case acronyms (dvd, zzz) and "Wi-Fi", which
is the price. All 59 Tamil captions of Tux Paint, in some font's own encoding, would go too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import regex

from data_prep.errors import UserError
from data_prep.languages import Language
from data_prep.records import DropLog, Example
from data_prep.steps._base import option
from data_prep.steps._text import sift

# ISO 15924 codes that stand for several scripts, or for a style of one.
_SCRIPTS = {
    "Aran": ("Arab",),
    "Cyrs": ("Cyrl",),
    "Geok": ("Geor",),
    "Hanb": ("Hani", "Bopo"),
    "Hans": ("Hani", "Bopo"),
    "Hant": ("Hani", "Bopo"),
    "Hrkt": ("Hira", "Kana"),
    "Jpan": ("Hira", "Kana", "Hani"),
    "Kore": ("Hang", "Hani"),
    "Latf": ("Latn",),
    "Latg": ("Latn",),
    "Syre": ("Syrc",),
    "Syrj": ("Syrc",),
    "Syrn": ("Syrc",),
}

# Single Latin letters and up to four Latin capitals, as words or beside letters of another script.
_LATIN = r"[\p{L}&&\p{sc=Latn}]"
_CAPITALS = r"[\p{Lu}&&\p{sc=Latn}]{1,4}"
_ACRONYM = regex.compile(rf"(?<!{_LATIN}\p{{M}}*)(?:{_CAPITALS}|{_LATIN})(?!\p{{M}}*{_LATIN}|\p{{M}})", regex.V1)
REASON = "the caption is mostly in another script"


@cache
def _patterns(script: str) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    """Words, or parts of words, in a script and in others."""
    own = "".join(rf"\p{{scx={name}}}" for name in _SCRIPTS.get(script, (script,)))
    try:
        mine = regex.compile(rf"(?:[[{own}]&&\p{{L}}]\p{{M}}*)+", regex.V1)
    except regex.error as error:
        raise UserError(
            f"The step script does not know the script {script!r}. Correct `script` in the language's file: it is an "
            "ISO 15924 code such as Latn, Cyrl or Jpan."
        ) from error
    theirs = regex.compile(rf"(?:[\p{{L}}--[{own}\p{{sc=Zyyy}}\p{{sc=Zinh}}]]\p{{M}}*)+", regex.V1)
    return mine, theirs


def shares(text: str, script: str) -> tuple[float, float]:
    """Shares of letters and of words that are in a script (ISO 15924); 1 where none is in any other.

    Raises:
        UserError: there is no such script.
    """
    if script != "Latn":
        text = _ACRONYM.sub(" ", text)
    mine, theirs = (pattern.findall(text) for pattern in _patterns(script))
    if not theirs:
        return 1.0, 1.0
    letters, others = sum(map(len, mine)), sum(map(len, theirs))
    return letters / (letters + others), len(mine) / (len(mine) + len(theirs))


@dataclass(frozen=True, slots=True)
class STEP:
    """See the module's docstring."""

    share: float = option(0.5, "least share of letters, or of words, in the language's script")

    def apply(self, examples: Iterable[Example], language: Language, log: DropLog) -> Iterator[Example]:
        """Yields the examples with a caption in the language's script; keywords in another are left out."""

        def fault(text: str) -> str | None:
            return REASON if max(shares(text, language.script)) < self.share else None

        for example in examples:
            if (kept := sift(example, fault, log)) is None:
                continue
            keywords = tuple(word for word in kept.keywords if fault(word) is None)
            log.change("keywords left out: in another script", len(kept.keywords) - len(keywords))
            yield replace(kept, keywords=keywords) if keywords != kept.keywords else kept
