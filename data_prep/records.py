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
class Slice:
    """A picture inside an archive that is not compressed (tar): `length` bytes from `offset`."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture in a Parquet file: row `row` of `column`, which holds bytes, or a struct with a field `bytes`."""

    path: Path
    row: int
    column: str


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a picture; `box` is left, top, width and height in pixels of the upright picture."""

    picture: Path | bytes | Slice | Cell
    box: tuple[int, int, int, int]


# Where a picture is. All but bytes are read when they are decoded, by whichever process does it.
Picture = Path | bytes | Slice | Cell | Region


@dataclass(frozen=True, slots=True)
class Example:
    """One picture with its captions in one language: the contract between data preparation and everyone.

    Attributes:
        picture: the encoded picture: where a source has it, bytes once the pictures step has run.
        captions: whole captions in the language, the first being the main one.
        keywords: words that describe parts of the picture; several of them joined make a caption too.
        captions_en, keywords_en: the same in English, where the source has them.
        concept: what is shown, independent of language and source. Photographs are a concept each. It decides the
            split where the source names none.
        source: name of the source, which is its module's file name.
        category: the source's own category, such as "animals" or "Food & Drink".
        variant: which of a concept's pictures this is: an emoji vendor, a stamp's file name.
        licence: SPDX identifier of the picture's licence (captions' where it differs, after a "+").
        attribution: whom to credit.
        image_id: hex digest of the picture's bytes; empty until the pictures step has set it.
        split: train, validation or test: the source's own, or empty until the split step has set it.
        origin: empty where people wrote the captions, else what made them, such as "facebook/nllb-200-distilled-600M".
        chrf: of machine-translated captions, how well they come back in English (chrF, 0 to 100); None where not
            measured.
        flags: what a person should look at, as short fixed phrases; such a caption is kept.
        place: its number among all examples of the data set's sources; -1 until they are gathered.
    """

    picture: Picture
    captions: tuple[str, ...]
    concept: str
    source: str
    licence: str
    attribution: str
    keywords: tuple[str, ...] = ()
    captions_en: tuple[str, ...] = ()
    keywords_en: tuple[str, ...] = ()
    category: str = ""
    variant: str = ""
    image_id: str = ""
    split: str = ""
    origin: str = ""
    chrf: float | None = None
    flags: tuple[str, ...] = ()
    place: int = -1

    @property
    def item(self) -> str:
        """A name under which a person finds this example again in its source."""
        return f"{self.concept}/{self.variant}" if self.variant else self.concept


@dataclass(frozen=True, slots=True)
class Drop:
    """One thing left out, with the reason why; its caption and picture, where there are any, for a person to see.

    The picture is known by where the source has it, or by its example's place among all that the sources gave.
    """

    source: str
    item: str
    reason: str
    text: str = ""
    picture: Picture | None = None
    place: int | None = None


@dataclass(slots=True)
class DropLog:
    """Collects everything that is left out or changed on the way, so that nothing vanishes silently."""

    drops: list[Drop] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def drop(self, source: str, item: str, reason: str, text: str = "", picture: Picture | None = None) -> None:
        """Notes that `item` of `source` is left out because of `reason` (a short fixed phrase: it is counted)."""
        self.add(Drop(source, item, reason, text, picture))

    def add(self, drop: Drop) -> None:
        """Notes a drop."""
        self.drops.append(drop)
        self.counts[drop.source, drop.reason] += 1

    def take(self) -> list[Drop]:
        """Hands over the single drops noted so far; their counts stay."""
        taken, self.drops = self.drops, []
        return taken

    def leave_out(self, example: Example, reason: str, text: str = "", about: str = "") -> None:
        """Notes that an example is left out: its main caption, or the one given. `about` is put behind its name."""
        shown = text or (example.captions[0] if example.captions else "")
        picture = None if isinstance(example.picture, bytes) else example.picture
        self.add(Drop(example.source, example.item + about, reason, shown, picture, example.place))

    def note(self, text: str) -> None:
        """Notes what is worth telling of the data set as a whole, once."""
        if text not in self.notes:
            self.notes.append(text)

    def change(self, what: str, count: int = 1) -> None:
        """Notes that `count` things were changed, but kept."""
        self.changes[what] += count

    def by_reason(self) -> Mapping[tuple[str, str], int]:
        """Counts by (source, reason), the largest first."""
        return dict(self.counts.most_common())


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
