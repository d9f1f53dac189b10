"""A preparation in pieces of a few hundred examples: each is done by itself, in any process or on any machine.

What a piece came to lies in a file of its own, written whole or not at all: a run that was killed goes on with the
pieces that are missing. All that is known of a preparation lies in its working folder:

gathered/00000.parquet   examples as the sources give them, pictures by reference
serial/00000.parquet     the same after the steps that want a process of their own (translation)
done/00000.parquet       the same after all other steps; pictures decoded
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_prep import arrow, logs
from data_prep.languages import Language
from data_prep.pictures import PictureError
from data_prep.records import Drop, DropLog, Example, Picture
from data_prep.rows import Rows
from data_prep.steps import _spec
from data_prep.store import Store, relative

SIZE = 256
# Of each piece the number of its first row, and the bytes of each of its rows' pictures.
Sizes = Sequence[tuple[int, Sequence[int]]]
LOOK = 200

_MORE = {
    "raw": pa.field("raw", pa.binary()),
    "look": pa.field("look", pa.binary()),
    "kept": pa.field("kept", pa.bool_()),
    "bytes": pa.field("bytes", pa.int64()),
    "file": pa.field("file", pa.string()),
}


@dataclass(frozen=True, slots=True)
class Work:
    """What any process needs to do a piece.

    Attributes:
        folder: the working folder.
        language: whose data set it is.
        steps: names and options of the steps on pieces, in their order.
        serial: those that come before them, in a process of their own.
        pictures: options of the step pictures.
        store: folder of a shared store of pictures; None keeps them in the pieces.
    """

    folder: Path
    language: Language
    steps: tuple[tuple[str, _spec.Options], ...]
    serial: tuple[tuple[str, _spec.Options], ...]
    pictures: _spec.Options
    store: Path | None

    def file(self, stage: str, piece: int) -> Path:
        """The file of a piece after a stage."""
        return self.folder / stage / f"{piece:05d}.parquet"

    def log(self, stage: str, piece: int) -> Path:
        """The drop log of a piece's stage."""
        return self.folder / stage / f"{piece:05d}.jsonl"

    @property
    def pieces(self) -> int | None:
        """How many pieces there are; None until all are gathered."""
        try:
            found: int = json.loads((self.folder / "pieces.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found


def gather(work: Work, examples: Iterator[Example], log: DropLog) -> int:
    """Writes what the sources give, in pieces; returns how many there are. Pieces that are there already stay."""
    if (known := work.pieces) is not None:
        return known
    (work.folder / "gathered").mkdir(parents=True, exist_ok=True)
    count = piece = 0
    while True:
        chunk = [replace(e, place=count + n) for n, e in enumerate(islice(examples, SIZE))]
        # What the sources dropped after the last example belongs to a piece too.
        if not chunk and piece and not (log.drops or log.changes or log.notes):
            break
        count += len(chunk)
        path = work.file("gathered", piece)
        if path.exists():
            log.take()
        else:
            logs.write(work.log("gathered", piece), log)
            arrow.write(path, arrow.table(chunk))
        log.changes.clear()
        log.notes.clear()
        piece += 1
        if not chunk:
            break
    partial = work.folder / f".pieces.json.{os.getpid()}"
    partial.write_text(json.dumps(piece), encoding="utf-8")
    partial.replace(work.folder / "pieces.json")
    return piece


def do_serial(work: Work, piece: int, steps: Sequence[object]) -> None:
    """Applies steps that want a process of their own to a piece, if that is not done yet."""
    path = work.file("serial", piece)
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    log = DropLog()
    found = list(arrow.examples(pq.read_table(work.file("gathered", piece))))
    kept = {e.place: e for e in _through(found, steps, work.language, log)}
    logs.write(work.log("serial", piece), log)
    # What they left out stays as a picture without captions: others may look like it.
    arrow.write(
        path, arrow.table(kept.get(e.place, replace(e, captions=(), keywords=(), flags=(_GONE,))) for e in found)
    )


_GONE = "left out already"


def do(work: Work, piece: int, threads: int = 1) -> None:
    """Applies the steps to a piece and decodes its pictures, if that is not done yet."""
    path = work.file("done", piece)
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    log = DropLog()
    found = list(arrow.examples(pq.read_table(work.file("serial" if work.serial else "gathered", piece))))
    steps = [_spec.load(name, options) for name, options in work.steps]
    alive = [e for e in found if _GONE not in e.flags]
    kept = {e.place: e for e in _through(alive, steps, work.language, log)}
    # The others' pictures are decoded as well: which pictures look alike must not depend on the language.
    store = Store(work.store) if work.store else None
    decoded = _spec.load("pictures", work.pictures).decode([e.picture for e in found], store, threads)
    rows: list[Example] = []
    more: dict[str, list[object]] = {name: [] for name in _MORE}
    for example, outcome in zip(found, decoded, strict=True):
        picture, stays = outcome.found, example.place in kept
        if isinstance(picture, PictureError):
            if stays:
                log.leave_out(kept[example.place], str(picture))
            stays, data, image_id, look, file = False, b"", "", b"", ""
        else:
            data = picture.data if stays and not store else b""
            image_id, look, file = picture.image_id, picture.look, relative(picture.image_id, picture.suffix)
        rows.append(replace(kept.get(example.place, example), picture=data, image_id=image_id))
        for name, value in zip(_MORE, (outcome.raw, look, stays, len(data), file), strict=True):
            more[name].append(value)
    logs.write(work.log("done", piece), log)
    arrow.write(path, arrow.table(rows, [(_MORE[name], values) for name, values in more.items()]))


def _through(found: Sequence[Example], steps: Sequence[object], language: Language, log: DropLog) -> Iterator[Example]:
    passed: Iterator[Example] = iter(found)
    for step in steps:
        passed = step.apply(passed, language, log)  # type: ignore[attr-defined]
    return passed


def rows(work: Work) -> Rows:
    """All rows of the pieces that are done, without their pictures."""
    pieces = work.pieces
    assert pieces is not None
    counts = [pq.read_metadata(work.file("done", n)).num_rows for n in range(pieces)]
    total = sum(counts)
    made = Rows([], [], [], [], [], [], [], [], [], [], np.zeros((total, LOOK), np.uint8), np.zeros(total, bool), {})
    texts = [
        "source",
        "variant",
        "concept",
        "captions",
        "captions_en",
        "origin",
        "licence",
        "split",
        "image_id",
        "flags",
    ]
    # Names that many rows share are kept once.
    shared: dict[str, str] = {}
    at = 0
    for n in range(pieces):
        for row in pq.read_table(work.file("done", n), columns=[*texts, "raw", "look", "kept"]).to_pylist():
            concept = shared.setdefault(row["concept"], row["concept"])
            for field in ("source", "origin", "licence", "split"):
                getattr(made, field).append(shared.setdefault(row[field], row[field]))
            made.concept.append(concept)
            made.item.append(f"{concept}/{row['variant']}" if row["variant"] else concept)
            made.captions.append(tuple(row["captions"]))
            made.english.append(row["captions_en"][0] if row["captions_en"] else "")
            made.raw.append(row["raw"])
            made.image_id.append(row["image_id"])
            if row["look"]:
                made.look[at] = np.frombuffer(row["look"], np.uint8)
            made.kept[at] = row["kept"]
            if row["kept"] and row["flags"]:
                made.flags[at] = tuple(row["flags"])
            at += 1
    return made


def read(work: Work, piece: int, wanted: Sequence[int]) -> Iterator[tuple[Example, str]]:
    """Examples of a piece that is done by their places in it, with their pictures, each with its file's name.

    The name is relative to a store's folder; with a store the picture is left empty, for it lies there.
    """
    table = pq.read_table(work.file("done", piece)).take(list(wanted))
    yield from zip(arrow.examples(table), table["file"].to_pylist(), strict=True)


def sizes(work: Work) -> Sizes:
    """Of each piece the number of its first row, and the bytes of each of its rows' pictures."""
    found, at = [], 0
    for n in range(work.pieces or 0):
        size = pq.read_table(work.file("done", n), columns=["bytes"])["bytes"].to_pylist()
        found.append((at, size))
        at += len(size)
    return found


def dropped(work: Work, drops: Sequence[Drop]) -> Iterator[tuple[Drop, Picture | None]]:
    """Drops with their pictures, as the sources gave them, where there are any."""
    piece, table = -1, None
    for drop in drops:
        if drop.picture is not None or drop.place is None or drop.place < 0:
            yield drop, drop.picture
            continue
        if piece != drop.place // SIZE:
            piece = drop.place // SIZE
            table = pq.read_table(work.file("gathered", piece))
        assert table is not None
        yield drop, next(arrow.examples(table.slice(drop.place % SIZE, 1))).picture
