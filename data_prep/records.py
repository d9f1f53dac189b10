"""The records that pass between sources, steps and the data set."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Example:
    """One picture with its captions in one language: the contract between data preparation and everyone.

    Attributes:
        picture: the encoded picture: a file as a source gives it, bytes once the pictures step has run.
        captions: whole captions in the language, the first being the main one.
        keywords: words that describe parts of the picture; several of them joined make a caption too.
        captions_en: the same in English, where the source has them.
        concept: what is shown, independent of language and source; it alone decides the split.
        source: name of the source, which is its module's file name.
        category: the source's own category, such as "animals" or "Food & Drink".
        variant: which of a concept's pictures this is: an emoji vendor, a stamp's file name.
        licence: SPDX identifier of the picture's licence (captions' where it differs, after a "+").
        attribution: whom to credit.
        image_id: hex digest of the picture's bytes; empty until the pictures step has set it.
        split: train, validation or test; empty until the split step has set it.
    """

    picture: Path | bytes
    captions: tuple[str, ...]
    concept: str
    source: str
    licence: str
    attribution: str
    keywords: tuple[str, ...] = ()
    captions_en: tuple[str, ...] = ()
    category: str = ""
    variant: str = ""
    image_id: str = ""
    split: str = ""

    @property
    def item(self) -> str:
        """A name under which a person finds this example again in its source."""
        return f"{self.concept}/{self.variant}" if self.variant else self.concept


@dataclass(frozen=True, slots=True)
class Drop:
    """One thing left out, with the reason why."""

    source: str
    item: str
    reason: str


@dataclass(slots=True)
class DropLog:
    """Collects everything that is left out or changed on the way, so that nothing vanishes silently."""

    drops: list[Drop] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)

    def drop(self, source: str, item: str, reason: str) -> None:
        """Notes that `item` of `source` is left out because of `reason` (a short fixed phrase: it is counted)."""
        self.drops.append(Drop(source, item, reason))

    def change(self, what: str, count: int = 1) -> None:
        """Notes that `count` things were changed, but kept."""
        self.changes[what] += count

    def by_reason(self) -> Mapping[tuple[str, str], int]:
        """Counts by (source, reason), the largest first."""
        return dict(Counter((d.source, d.reason) for d in self.drops).most_common())


_ARTICLE = re.compile(r"^(a|an|the|some)\s+")


def _is_sign(character: str) -> bool:
    return character in "#*" or unicodedata.category(character) in {"Sc", "Sm", "So"}


def concept_id(english: str) -> str:
    """Names a concept by its English caption: case, punctuation and a leading article do not count.

    The same in every language and source, so that "A dog." of one source and "dog" of another are one
    concept and land in the same split. A caption without a single letter or digit gets a digest instead.
    """
    text = _ARTICLE.sub("", unicodedata.normalize("NFKC", english).casefold().strip())
    # "keycap: #" and "keycap: *" differ in their sign alone: signs count by their Unicode names.
    text = "".join(f" {unicodedata.name(c, '')} ".lower() if _is_sign(c) else c for c in text)
    slug = re.sub(r"[\W_]+", "-", text).strip("-")
    if not slug or len(slug) > 80:
        digest = hashlib.sha256(english.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return f"{slug[:60].strip('-')}-{digest}".strip("-")
    return slug
