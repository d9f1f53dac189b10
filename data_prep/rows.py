"""All rows of a data set without their pictures: what steps see that judge the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.records import Drop, DropLog, Example


@dataclass(slots=True)
class Rows:
    """Columns of equal length, in the order of the sources: a row's place is its example's. About 900 bytes a row.

    Attributes:
        source, item, concept, origin, licence: as in `Example`.
        captions: each row's; none where the source has none in the language.
        english: the main English caption, or an empty text.
        split: train, validation or test; empty until the split step has run, where the source names none.
        raw: digest of the picture as the source has it, 16 bytes; empty if it cannot be read.
        image_id: of the picture once decoded; empty if it could not be.
        look: what it looks like, 8 × uint8 of a perceptual hash and 192 × uint8, its colours at 8 × 8 points;
            uint8 (rows, 200).
        kept: which rows are still in; bool (rows,).
        flags: what a person should look at, for each row.
    """

    source: list[str]
    item: list[str]
    concept: list[str]
    captions: list[tuple[str, ...]]
    english: list[str]
    origin: list[str]
    licence: list[str]
    split: list[str]
    raw: list[bytes]
    image_id: list[str]
    look: NDArray[np.uint8]
    kept: NDArray[np.bool_]
    flags: dict[int, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.kept)

    def still(self) -> Iterator[int]:
        """Places of the rows that are still in."""
        yield from np.flatnonzero(self.kept).tolist()

    def leave_out(self, row: int, reason: str, log: DropLog, about: str = "") -> None:
        """Leaves a row out and notes why; `about` is put behind its name."""
        self.kept[row] = False
        text = self.captions[row][0] if self.captions[row] else ""
        log.add(Drop(self.source[row], self.item[row] + about, reason, text, place=row))

    def flag(self, row: int, flag: str) -> None:
        """Flags a row, once, with a short fixed phrase."""
        if flag not in (found := self.flags.get(row, ())):
            self.flags[row] = (*found, flag)

    def forget_pictures(self) -> None:
        """Frees what is known of pictures, once everything is judged."""
        self.raw, self.image_id, self.look = [], [], np.zeros((0, self.look.shape[1]), np.uint8)

    def example(self, row: int) -> Example:
        """The row as an Example without its picture."""
        return Example(
            picture=b"",
            captions=self.captions[row],
            concept=self.concept[row],
            source=self.source[row],
            licence=self.licence[row],
            attribution="",
            split=self.split[row],
            origin=self.origin[row],
            flags=self.flags.get(row, ()),
            place=row,
        )
