"""A picture that looks like one of the test split stays in no other, and one like a validation picture not in train.

Looking alike is: perceptual hashes that differ in at most `bits` of 64, and colours that differ by at most `colour` on
the average. Within a split look-alikes are left alone, unless `within` is set: there they are two drawings of the same
concept, or no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from data_prep.languages import Language
from data_prep.records import DropLog
from data_prep.rows import Rows
from data_prep.steps._base import option
from data_prep.steps.split import SPLITS, split_of

_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """See the module's docstring."""

    bits: Annotated[int, Field(ge=0, le=32)] = option(
        4, "how many of the 64 bits of two look-alikes' perceptual hashes may differ"
    )
    colour: Annotated[float, Field(ge=0)] = option(6.0, "how much their colours may differ on the average, of 255")
    within: bool = option(False, "leave out look-alikes of other concepts within a split too; the first one stays")

    def judge(self, rows: Rows, language: Language, log: DropLog) -> None:
        by_split = {
            name: np.array(
                [n for n in range(len(rows)) if rows.image_id[n] and _split(rows, n) == name], dtype=np.int64
            )
            for name in SPLITS
        }
        for stays, goes in (("test", "validation"), ("test", "train"), ("validation", "train")):
            for one, other in self._pairs(rows.look, by_split[stays], by_split[goes]):
                if rows.kept[other]:
                    about = f" (like {rows.item[one]})"
                    rows.leave_out(other, f"it looks like a {stays} picture", log, about=about)
        if self.within:
            for places in by_split.values():
                self._within(rows, places[rows.kept[places]], log)

    def _within(self, rows: Rows, places: NDArray[np.int64], log: DropLog) -> None:
        """Leaves out each row that looks like an earlier one, of another concept, that stays."""
        alike: dict[int, set[int]] = {}
        for one, other in candidates(rows.look[:, :8], places, places, self.bits):
            near = self._same_colours(rows.look, one, other) & (one < other)
            for a, b in zip(one[near].tolist(), other[near].tolist(), strict=True):
                if rows.concept[a] != rows.concept[b]:
                    alike.setdefault(b, set()).add(a)
        for row, earlier in sorted(alike.items()):
            if stays := [n for n in sorted(earlier) if rows.kept[n]]:
                about = f" (like {rows.item[stays[0]]})"
                rows.leave_out(row, "it looks like another picture", log, about=about)

    def _same_colours(
        self, look: NDArray[np.uint8], one: NDArray[np.int64], other: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        apart = np.abs(look[one, 8:].astype(np.int16) - look[other, 8:].astype(np.int16)).mean(axis=1)
        return np.asarray(apart <= self.colour)

    def _pairs(
        self, look: NDArray[np.uint8], ones: NDArray[np.int64], others: NDArray[np.int64]
    ) -> Iterator[tuple[int, int]]:
        """Look-alikes, in the order of `others`, each of these with the first of `ones` only."""
        found: dict[int, int] = {}
        for one, other in candidates(look[:, :8], ones, others, self.bits):
            near = self._same_colours(look, one, other)
            for a, b in zip(one[near].tolist(), other[near].tolist(), strict=True):
                found[b] = min(a, found.get(b, a))
        yield from ((a, b) for b, a in sorted(found.items()))


def _split(rows: Rows, row: int) -> str:
    """The split of a row: of one without a caption in this language, the one that it has in others."""
    return rows.split[row] or split_of(rows.concept[row])


def candidates(
    hashes: NDArray[np.uint8], ones: NDArray[np.int64], others: NDArray[np.int64], bits: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs whose 64-bit hashes differ in at most `bits`, each at least once; arrays of places, some at a time.

    The hash is cut into `bits` + 1 bands; by the pigeonhole principle a pair differs nowhere in one of them, so that
    only rows that agree in a band are compared (Manku et al., "Detecting Near-Duplicates for Web Crawling", WWW 2007).

    Args:
        hashes: uint8 (rows, 8).
        ones, others: places of rows.
        bits: 0 to 63.
    """
    words = np.ascontiguousarray(hashes).view(np.uint64)[:, 0]
    edges = np.linspace(0, 64, bits + 2).astype(int)
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        mask = np.uint64(((1 << (high - low)) - 1) << low)
        keys = words[ones] & mask
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        wanted = words[others] & mask
        starts, ends = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
        counts = ends - starts
        cuts = np.searchsorted(np.cumsum(counts), np.arange(_AT_ONCE, counts.sum() + _AT_ONCE, _AT_ONCE))
        for part in np.split(np.arange(len(others)), np.unique(cuts)):
            if not (total := int(counts[part].sum())):
                continue
            offsets = np.arange(total) - np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
            one = ones[order[np.repeat(starts[part], counts[part]) + offsets]]
            other = np.repeat(others[part], counts[part])
            near = np.bitwise_count(words[one] ^ words[other]) <= bits
            if near.any():
                yield one[near], other[near]


STEP = NearDuplicates
