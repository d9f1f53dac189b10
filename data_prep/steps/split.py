"""Sends each concept to train, validation or test by a hash of its name alone, where its source names no split.

The same in every language and source, today and tomorrow: no concept of the test split is ever trained on. What a
machine translated is no test of anything: it never gets there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from data_prep.languages import Language
from data_prep.records import DropLog
from data_prep.rows import Rows
from data_prep.steps._base import option

SPLITS = ("train", "validation", "test")
TEST_SHARE = 0.14
VALIDATION_SHARE = 0.05


def split_of(concept: str) -> str:
    """The split of a concept: 14 % of all go to test, 5 % to validation, the rest to train."""
    digest = hashlib.sha256(f"mlilt-split-1:{concept}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < TEST_SHARE:
        return "test"
    return "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"


@dataclass(frozen=True, slots=True)
class Split:
    """See the module's docstring."""

    machine_in_test: bool = option(False, "leave machine-translated captions in the test split")

    def judge(self, rows: Rows, language: Language, log: DropLog) -> None:
        for n in rows.still():
            rows.split[n] = rows.split[n] or split_of(rows.concept[n])
            if rows.split[n] == "test" and rows.origin[n] and not self.machine_in_test:
                rows.leave_out(n, "machine-translated: not for the test split", log)


STEP = Split
