"""Reads a JSON array object by object: COCO's files are larger than memory should be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.records import DropLog
from data_prep.sources._layout import DAMAGED_FILE, JSON_ERRORS

_CHUNK = 1 << 20
# No picture's or caption's object comes near this; a damaged file does.
_LONGEST = 1 << 24
_BETWEEN = re.compile(r"[\s,]*")


def array(path: Path, key: str, source: str, log: DropLog) -> Iterator[dict[str, Any]]:
    """Yields the objects of the first array named `key` of a JSON file; memory holds some of them at a time.

    A file that is cut or damaged, or has no such array, goes to the log once what lies before the damage is yielded.
    """
    try:
        yield from _objects(path, key)
    except (OSError, *JSON_ERRORS):
        log.drop(source, path.name, DAMAGED_FILE)


def _objects(path: Path, key: str) -> Iterator[dict[str, Any]]:
    decode, start = json.JSONDecoder().raw_decode, re.compile(rf'"{re.escape(key)}"\s*:\s*\[')
    with path.open(encoding="utf-8-sig") as file:
        text, place = file.read(_CHUNK), 0
        while not (found := start.search(text)):
            more = file.read(_CHUNK)
            if not more:
                raise ValueError("no such array")
            text = text[-len(key) - 64 :] + more
        place = found.end()
        while True:
            between = _BETWEEN.match(text, place)
            place = between.end() if between else place
            if text.startswith("]", place):
                return
            try:
                item, place = decode(text, place)
            except ValueError:
                more = file.read(_CHUNK)
                if not more or len(text) - place > _LONGEST:
                    raise
                text, place = text[place:] + more, 0
                continue
            if not isinstance(item, dict):
                raise ValueError("not an object")
            yield item
