"""Which languages with a file are nearest to one: for a language with little data, the first to train with it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import langcodes

from data_prep.languages import Language

ORDER = (
    "Nearest first: CLDR's language distance both ways where it is near, then branch, family, CLDR's distance one way "
    "(a language that many of its speakers read), script, macro-area."
)
# CLDR's distances of languages that it does not know to be near begin at 80, a different script adding 50.
_FAR = 80


@dataclass(frozen=True, slots=True)
class Relative:
    """A language near another one.

    Attributes:
        code: its code.
        name: its name in English.
        shared: what the two share, such as "Bantu", "Latn" or "Africa".
        distance: CLDR's distance of the two languages, whichever way is farther; None where it is not near.
    """

    code: str
    name: str
    shared: tuple[str, ...]
    distance: int | None


def nearest(language: Language, others: Collection[Language], count: int = 5) -> list[Relative]:
    """The languages among `others` that are nearest to `language` (which may be among them itself), at most `count`.

    They are of its family, or near by CLDR's distance; if there is none, those with its script and macro-area.
    """
    ranked = sorted((_rank(language, other), other.code) for other in others if other.code != language.code)
    by_code = {other.code: other for other in others}
    near = [code for rank, code in ranked if min(rank[0], rank[3]) < _FAR or not rank[2]]
    alike = [code for rank, code in ranked if not (rank[4] or rank[5])]
    return [_relative(language, by_code[code]) for code in (near or alike)[:count]]


def _distances(a: Language, b: Language) -> tuple[int, int]:
    """CLDR's distance from one to the other and back: how much a reader of one loses who is given the other."""
    return langcodes.tag_distance(a.code, b.code), langcodes.tag_distance(b.code, a.code)


def _rank(a: Language, b: Language) -> tuple[int, bool, bool, int, bool, bool]:
    there, back = _distances(a, b)
    return (
        min(max(there, back), _FAR),
        a.branch is None or a.branch != b.branch,
        a.family is None or a.family != b.family,
        min(there, _FAR),
        a.script != b.script,
        a.macroarea is None or a.macroarea != b.macroarea,
    )


def _relative(a: Language, b: Language) -> Relative:
    pairs = ((a.branch, b.branch), (a.family, b.family), (a.script, b.script), (a.macroarea, b.macroarea))
    shared = tuple(one for one, other in pairs if one is not None and one == other)
    distance = max(_distances(a, b))
    return Relative(b.code, b.name, shared, distance if distance < _FAR else None)
