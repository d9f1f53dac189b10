"""Writes a data set's page to look through: pictures, captions and what was left out; no server, no network.

`browse.html` opens by itself. What it shows lies in `browse/`: scripts with a few hundred rows each (a page opened
from a file may load scripts, but not read files) and sheets with a hundred small pictures each, loaded when seen. One
file a sheet is far cheaper to write and to open than one a picture; JPEG takes a fifth of WebP's time to encode.
"""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from data_prep import pictures
from data_prep.languages import Language
from data_prep.records import Drop, Example, Picture

PAGE = "browse.html"
FOLDER = "browse"
# A sheet's pictures are those of one page of the unfiltered list: 96 fill rows of 2, 3, 4 and 6 cards.
_SHEET, _COLUMNS = 96, 12
_SCRIPT_ROWS = 5 * _SHEET
# As large as the bitmaps of emoji fonts, which then need no resampling.
_SIDE = 136


def write(
    folder: Path,
    language: Language,
    examples: Iterable[Example],
    total: int,
    dropped: Sequence[tuple[Drop, Picture | None]],
    counts: Mapping[tuple[str, str], int],
) -> None:
    """Writes `browse.html` and what it needs in `browse/`; equal input gives equal bytes.

    Args:
        folder: the data set's.
        language: of the captions.
        examples: rows with their pictures, in their order: all of a small data set, some of a large one.
        total: how many rows the data set has.
        dropped: some of what was left out, each with its picture if there is one.
        counts: how many were left out, by source and reason.
    """
    made = folder / FOLDER
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    rows = iter(examples)
    kinds: dict[tuple[Any, ...], int] = {}
    uses: Counter[int] = Counter()
    pitches: list[int] = []
    shown = scripts = 0
    lines: list[list[Any]] = []
    # A sheet at a time: large pictures of many rows are too much to hold.
    while piece := list(islice(rows, _SHEET)):
        places, pitch = _sheet(made / f"kept-{len(pitches):05d}.jpg", [_kept(e.picture) for e in piece])
        pitches.append(pitch)
        for example, place in zip(piece, places, strict=True):
            kind = kinds.setdefault(_kind(example), len(kinds))
            uses[kind] += 1
            lines.append(_row(example, kind, place))
        shown += len(piece)
        if len(lines) == _SCRIPT_ROWS:
            _script(made / f"rows-{scripts:05d}.js", "rows", lines)
            scripts += 1
            lines = []
    if lines:
        _script(made / f"rows-{scripts:05d}.js", "rows", lines)
        scripts += 1
    out: list[list[Any]] = []
    out_pitches: list[int] = []
    for start in range(0, len(dropped), _SHEET):
        pairs = dropped[start : start + _SHEET]
        places, pitch = _sheet(made / f"dropped-{len(out_pitches):05d}.jpg", [_left_out(p) for _, p in pairs])
        out_pitches.append(pitch)
        out += [[d.source, d.item, d.reason, d.text, place] for (d, _), place in zip(pairs, places, strict=True)]
    _script(made / "dropped.js", "dropped", out)
    about = {
        "language": {"code": language.code, "direction": language.direction},
        "rows": shown,
        "scripts": scripts,
        "sheet": {"rows": _SHEET, "columns": _COLUMNS, "kept": pitches, "dropped": out_pitches},
        "kinds": [[*kind, uses[number]] for kind, number in kinds.items()],
    }
    _script(made / "about.js", "about", about)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("data_prep"),
        autoescape=jinja2.select_autoescape(("html",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(PAGE).render(
        language=language,
        shown=shown,
        total=total,
        reasons=_reasons(counts),
        sources=sorted({source for source, _ in counts}),
        left_out=sum(counts.values()),
        sampled=len(dropped),
    )
    (folder / PAGE).write_bytes(_encoded(text))


def _kind(example: Example) -> tuple[Any, ...]:
    """What many rows have in common: it is written once."""
    return (
        example.split,
        example.source,
        example.category,
        example.licence,
        example.attribution,
        example.origin,
        example.flags,
    )


def _row(example: Example, kind: int, place: list[int] | str) -> list[Any]:
    return [
        example.captions,
        example.keywords,
        example.captions_en,
        example.concept,
        example.variant,
        example.chrf,
        kind,
        place,
    ]


def _reasons(counts: Mapping[tuple[str, str], int]) -> list[tuple[str, dict[str, int], int]]:
    """Each reason with its counts by source and their sum, the most frequent first."""
    table: dict[str, dict[str, int]] = {}
    for (source, reason), count in counts.items():
        table.setdefault(reason, {})[source] = count
    return sorted(((r, c, sum(c.values())) for r, c in table.items()), key=lambda line: (-line[2], line[0]))


def _kept(picture: Picture) -> Image.Image | str:
    """A data set's own picture, made small; a text says why there is none."""
    try:
        image = Image.open(io.BytesIO(pictures.read(picture)), formats=("PNG", "JPEG"))
        image.draft("RGB", (2 * _SIDE, 2 * _SIDE))
        return _small(image)
    except (OSError, ValueError, SyntaxError) as error:
        return str(error) if isinstance(error, pictures.PictureError) else "the picture cannot be decoded"


def _left_out(picture: Picture | None) -> Image.Image | str:
    """A picture as its source has it, made small; a text says why there is none."""
    if picture is None:
        return "no picture"
    try:
        return _small(pictures.decode(picture))
    except pictures.PictureError as error:
        return str(error)


def _small(image: Image.Image) -> Image.Image:
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.HAMMING, reducing_gap=2.0)
    return image.convert("RGB")


def _sheet(path: Path, images: Sequence[Image.Image | str]) -> tuple[list[list[int] | str], int]:
    """Writes pictures in rows on one sheet; returns the size of each, or why there is none, and their distance."""
    places: list[list[int] | str] = [p if isinstance(p, str) else [p.width, p.height] for p in images]
    longest = max((max(size) for size in places if not isinstance(size, str)), default=0)
    # JPEG's blocks are 8 pixels wide. With white between them, no picture takes colour from another.
    pitch = 8 * (longest // 8 + 1)
    if longest:
        sheet = Image.new("RGB", (_COLUMNS * pitch, -(-len(images) // _COLUMNS) * pitch), "white")
        for n, image in enumerate(images):
            if not isinstance(image, str):
                sheet.paste(image, (n % _COLUMNS * pitch, n // _COLUMNS * pitch))
        sheet.save(path, "JPEG", quality=85, subsampling=0)
    return places, pitch


def _script(path: Path, name: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Line separators of Unicode end a line in older JavaScript.
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    path.write_bytes(_encoded(f"browse.{name}({text});\n"))


def _encoded(text: str) -> bytes:
    # Half a surrogate pair, which some JSON files hold, has no UTF-8; as "\ud83d" it is right in a script, and seen.
    return text.encode("utf-8", "backslashreplace")
