"""Drop logs on disk: one file a piece, so that nothing is kept in memory and a killed run loses none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.records import Cell, Drop, DropLog, Picture, Region, Slice


def write(path: Path, log: DropLog) -> None:
    """Writes a log whole, or not at all, and empties it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(json.dumps({"changes": log.changes, "notes": log.notes}) + "\n")
        for drop in log.take():
            line = [drop.source, drop.item, drop.reason, drop.text, _plain(drop.picture), drop.place]
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    partial.replace(path)


def read(path: Path, log: DropLog) -> Iterator[Drop]:
    """Yields a written log's drops; they, its changes and its notes are counted in `log`, which keeps no drop."""
    with path.open(encoding="utf-8") as file:
        head = json.loads(next(file))
        for what, count in head["changes"].items():
            log.change(what, count)
        for text in head["notes"]:
            log.note(text)
        for line in file:
            source, item, reason, text, picture, place = json.loads(line)
            drop = Drop(source, item, reason, text, _picture(picture), place)
            log.add(drop)
            log.take()
            yield drop


def _plain(picture: Picture | None) -> Any:
    if isinstance(picture, Region):
        return {"of": _plain(picture.picture), "box": picture.box}
    if isinstance(picture, Slice):
        return {"path": str(picture.path), "offset": picture.offset, "length": picture.length}
    if isinstance(picture, Cell):
        return {"path": str(picture.path), "row": picture.row, "column": picture.column}
    return {"path": str(picture)} if isinstance(picture, Path) else None


def _picture(plain: Any) -> Any:
    if plain is None:
        return None
    if "box" in plain:
        return Region(_picture(plain["of"]), tuple(plain["box"]))
    kind = Slice if "offset" in plain else Cell if "row" in plain else None
    path = Path(plain["path"])
    return kind(**{**plain, "path": path}) if kind else path
