"""Draws examples of a data set as one picture, captions in their own script."""

from __future__ import annotations

import base64
import random
import re
import unicodedata
from collections.abc import Sequence
from html import escape

from data_prep.carriers import Apt, FetchError, Resource, fetch
from data_prep.records import Example

FONTS = Resource(
    "noto-fonts",
    "84ee9873109997e6d6755c5a84e7737354245ecb02a3d139746a88345b3048b8",
    (
        Apt(
            "fonts-noto-core",
            "20201225-1",
            "58f4f0bb6720f919f92096b3508e1412a0f1544424ade6c5b5bf1eb694dd64ba",
            {"usr/share/fonts/truetype/noto/": ""},
        ),
    ),
    ("NotoSans*-Regular.ttf",),
)

_COLUMNS, _ROWS, _CELL, _TEXT = 6, 4, 150, 46
_GAP = 14
# Characters that XML 1.0 (2.2) has no place for, not even as a number.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def choose(examples: Sequence[Example], count: int = _COLUMNS * _ROWS) -> list[Example]:
    """A fixed random choice of pictures of different concepts, every source having its part."""
    rng = random.Random(0)
    by_source: dict[str, dict[str, Example]] = {}
    for example in examples:
        by_source.setdefault(example.source, {}).setdefault(example.concept, example)
    queues = [rng.sample(sorted(found), len(found)) for _, found in sorted(by_source.items())]
    found = [concepts for _, concepts in sorted(by_source.items())]
    chosen: list[Example] = []
    while len(chosen) < count and any(queues):
        for queue, concepts in zip(queues, found, strict=True):
            if queue and len(chosen) < count:
                chosen.append(concepts[queue.pop()])
    return chosen


def draw(examples: Sequence[Example], direction: str = "ltr", offline: bool = False, progress: bool = True) -> bytes:
    """A PNG of up to 24 pictures (`picture` holding PNG or JPEG bytes) with their main captions below them.

    Letters come from Noto fonts where they can be fetched, else from the machine's own.
    """
    import resvg_py

    # What is drawn heeds these marks alone: signs at a line's ends would stand on its wrong side.
    mark = "\u200f" if direction == "rtl" else ""
    cells, width = [], _COLUMNS * (_CELL + _GAP) + _GAP
    for index, example in enumerate(examples):
        x = _GAP + (index % _COLUMNS) * (_CELL + _GAP)
        y = _GAP + (index // _COLUMNS) * (_CELL + _TEXT + _GAP)
        assert isinstance(example.picture, bytes)
        data = base64.b64encode(example.picture).decode("ascii")
        kind = "jpeg" if example.picture.startswith(b"\xff\xd8") else "png"
        place = f'x="{x}" y="{y}" width="{_CELL}" height="{_CELL}"'
        cells.append(f'<image {place} href="data:image/{kind};base64,{data}"/>')
        for line, text in enumerate(_wrap(example.captions[0])):
            cells.append(
                f'<text x="{x + _CELL / 2}" y="{y + _CELL + 18 + 18 * line}" text-anchor="middle" '
                f'direction="{direction}">{escape(mark + _NOT_XML.sub(chr(0xFFFD), text) + mark)}</text>'
            )
    height = -(-len(examples) // _COLUMNS) * (_CELL + _TEXT + _GAP) + _GAP
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-size="14" '
        f'font-family="Noto Sans" fill="#222"><rect width="100%" height="100%" fill="white"/>{"".join(cells)}</svg>'
    )
    try:
        folders = [str(fetch(FONTS, offline=offline, progress=progress))]
    except FetchError:
        folders = None
    return bytes(
        resvg_py.svg_to_bytes(svg_string=svg, width=2 * width, font_dirs=folders, skip_system_fonts=folders is not None)
    )


def _cut(text: str, length: int) -> str:
    """At most the first `length` characters; no letter loses its marks, no conjunct its second letter."""
    while length and (unicodedata.category(text[length])[0] == "M" or unicodedata.combining(text[length - 1]) == 9):
        length -= 1
    return text[:length]


def _wrap(text: str, columns: int = 22, lines: int = 2) -> list[str]:
    """At most two lines; what does not fit is cut with an ellipsis."""
    rows = [""]
    for word in text.split():
        if rows[-1] and len(rows[-1]) + 1 + len(word) > columns:
            rows.append(word)
        else:
            rows[-1] = f"{rows[-1]} {word}".strip()
    kept = [row if len(row) <= columns + 2 else _cut(row, columns + 1) + "…" for row in rows[:lines]]
    if len(rows) > lines:
        kept[-1] = kept[-1].rstrip("…") + "…"
    return kept
