"""Reads JSON tables out of a source's files; a damaged one is named in the log, and the rest goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from data_prep.records import DropLog
from data_prep.sources._layout import DAMAGED_FILE, JSON_ERRORS

Table = TypeVar("Table", list[Any], dict[str, Any])


def read_table(path: Path, keys: tuple[str, ...], kind: type[Table], source: str, log: DropLog) -> Table:
    """The list or dict under `keys` of a JSON file; an empty one, named in the log, if the file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for key in keys:
            found = found[key]
        if isinstance(found, kind):
            return found
    except (OSError, *JSON_ERRORS, KeyError, TypeError):
        pass
    log.drop(source, "/".join(path.parts[-3:]), DAMAGED_FILE)
    return kind()
