"""One picture belongs to one concept, so that no two concepts of a batch share an image by accident.

Where several concepts claim the same picture (France's flag is also that of Clipperton Island), the one with
the shortest English name keeps it. That does not depend on the language, so all languages agree on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from data_prep.languages import Language
from data_prep.records import DropLog
from data_prep.rows import Rows


@dataclass(frozen=True, slots=True)
class Deduplicate:
    """See the module's docstring."""

    def judge(self, rows: Rows, language: Language, log: DropLog) -> None:
        # Files that are equal, whether or not there is a caption in this language; then files that differ and hold
        # the same picture once decoded.
        everything = [n for n in range(len(rows)) if rows.raw[n]]
        _settle(rows, everything, lambda n: rows.raw[n], log)
        _settle(rows, list(rows.still()), lambda n: rows.image_id[n], log)


def _settle(rows: Rows, places: Iterable[int], digest: Callable[[int], str | bytes], log: DropLog) -> None:
    """Leaves each picture to one concept, and each of its caption sets once."""
    owners: dict[str | bytes, tuple[int, str]] = {}
    for n in places:
        claim = (len(rows.english[n]), rows.concept[n])
        owners[digest(n)] = min(claim, owners.get(digest(n), claim))
    seen: set[tuple[str | bytes, tuple[str, ...]]] = set()
    for n in places:
        owner = owners[digest(n)][1]
        key = (digest(n), rows.captions[n])
        kept = rows.kept[n]
        if rows.concept[n] != owner:
            # Nobody's picture any more: else its owner would look like it.
            rows.image_id[n] = ""
        if not kept:
            continue
        if rows.concept[n] != owner:
            rows.leave_out(n, "its picture is that of another concept too", log, about=f" (= {owner})")
        elif key in seen:
            rows.leave_out(n, "the same picture with the same captions is there already", log)
        else:
            seen.add(key)


STEP = Deduplicate
