"""Finds captions that stand for many different pictures: they tell none of these from the others.

Pictures differ here if their English captions do, or, where there are none, their concepts. In CLDR's names no caption
stands for more than two; in Tux Paint 57 captions of all its languages stand for three to seven (a word for gravestone,
tombstone, headstone and so on), which is sensible. So three are flagged, and more than twenty are boilerplate.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from data_prep.languages import Language
from data_prep.records import DropLog
from data_prep.rows import Rows
from data_prep.steps._base import option
from data_prep.steps._text import key

FLAG = "the same caption for several pictures"


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _different(captions: NDArray[np.uint64], shown: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each pair of a caption and what it shows: of how many different things it is the caption."""
    order = np.lexsort((shown, captions))
    captions, shown = captions[order], shown[order]
    other_caption = np.concatenate(([True], captions[1:] != captions[:-1]))
    other_pair = other_caption | np.concatenate(([True], shown[1:] != shown[:-1]))
    group = np.cumsum(other_caption) - 1
    counts = np.empty(len(order), np.int64)
    counts[order] = np.bincount(group, weights=other_pair)[group]
    return counts


@dataclass(frozen=True, slots=True)
class STEP:
    """See the module's docstring."""

    several: int = option(3, "a caption of so many different pictures is flagged")
    most: int = option(20, "pictures whose captions are all those of more than so many different ones are left out")

    def judge(self, rows: Rows, language: Language, log: DropLog) -> None:
        """Flags and leaves out rows by how many different pictures their captions stand for."""
        # Numbers stand for the texts: 24 bytes a caption, whatever its length.
        owners, captions, shown = array("q"), array("Q"), array("Q")
        for row in rows.still():
            picture = _number(key(rows.english[row]) or rows.concept[row])
            for caption in rows.captions[row]:
                owners.append(row)
                captions.append(_number(key(caption) or caption))
                shown.append(picture)
        if not owners:
            return
        counts = _different(np.array(captions), np.array(shown))
        found: dict[int, list[int]] = {}
        for at in np.flatnonzero(counts >= min(self.several, self.most + 1)).tolist():
            found.setdefault(owners[at], []).append(int(counts[at]))
        reason = f"the caption is that of more than {self.most} different pictures"
        for row, of in found.items():
            if sum(count > self.most for count in of) == len(rows.captions[row]):
                rows.leave_out(row, reason, log)
            elif max(of) >= self.several:
                rows.flag(row, FLAG)
