"""One picture belongs to one concept, so that no two concepts of a batch share an image by accident.

Where several concepts claim the same picture (France's flag is also that of Clipperton Island), the one with
the shortest English name keeps it. That does not depend on the language, so all languages agree on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from data_prep.records import DropLog, Example


def picture_digest(picture: Path | bytes) -> str:
    """SHA-256 of the encoded picture, hex. Raises OSError where a file cannot be read."""
    return hashlib.sha256(picture if isinstance(picture, bytes) else picture.read_bytes()).hexdigest()


def apply(examples: Iterable[Example], log: DropLog) -> Iterator[Example]:
    """Yields each picture once for each caption set, all under the concept that owns the picture."""
    pairs: list[tuple[str, Example]] = []
    for example in examples:
        try:
            pairs.append((picture_digest(example.picture), example))
        except OSError as error:
            log.drop(example.source, example.item, f"the picture cannot be read: {error.strerror}")
    owners: dict[str, tuple[int, str]] = {}
    for digest, example in pairs:
        claim = (len(example.captions_en[0]) if example.captions_en else 0, example.concept)
        owners[digest] = min(claim, owners.get(digest, claim))
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    for digest, example in pairs:
        owner = owners[digest][1]
        key = (digest, example.concept, example.captions)
        if example.concept != owner:
            log.drop(example.source, f"{example.item} (= {owner})", "its picture is that of another concept too")
        elif key in seen:
            log.drop(example.source, example.item, "the same picture with the same captions is there already")
        else:
            seen.add(key)
            yield example
