"""The stamps of the children's drawing program Tux Paint: 950 pictures captioned by translators in 78 locales.

Beside each picture (PNG or SVG) lies a text file: the English caption in its first line, then lines of the
form `<locale>.utf8=<caption>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.carriers import Apt, Https, Resource
from data_prep.records import DropLog, Example, concept_id
from data_prep.sources._base import About

NAME = "tuxpaint"

_STAMPS = Resource(
    "tuxpaint-stamps",
    "723c8838a90909b54636355b72bd44e4c41cf671f01b45fa9f8867a9a56cca9a",
    (
        Apt(
            "tuxpaint-stamps-default",
            "2022.06.04-1",
            "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
            {"usr/share/tuxpaint/stamps/": ""},
        ),
        Https(
            "https://downloads.sourceforge.net/project/tuxpaint/tuxpaint-stamps/2022-06-04/"
            "tuxpaint-stamps-2022.06.04.tar.gz",
            None,
            {"tuxpaint-stamps-2022.06.04/stamps/": ""},
        ),
    ),
    ("*.txt", "*.png", "*.svg"),
)

_LINE = re.compile(rb"^([A-Za-z]{2,3}(?:[_@][A-Za-z]+)*)\.utf8\s*=(.*)$")


def read_captions(path: Path, locale: str) -> tuple[str, str]:
    """The English caption of a stamp's text file and the one in `locale`, each empty where there is none.

    Bytes that are not UTF-8 become U+FFFD.
    """
    lines = path.read_bytes().splitlines()
    found = {"en": lines[0] if lines else b""}
    for line in lines[1:]:
        if match := _LINE.match(line):
            found[match[1].decode("ascii")] = match[2]
    english, caption = (found.get(code, b"").decode("utf-8", "replace").strip() for code in ("en", locale))
    return english, caption


class TuxPaint:
    """See the module's docstring."""

    about = About(
        title="Tux Paint stamps",
        homepage="https://tuxpaint.org",
        licences=("GPL-2.0-only",),
        citation="Bill Kendrick and the Tux Paint contributors. Tux Paint Stamps, release 2022-06-04.",
        pictures="PNG and SVG files of the release; many are photographs.",
        resources=(_STAMPS,),
    )

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = files[_STAMPS.name]
        for text in sorted(root.rglob("*.txt")):
            # A stamp may come as PNG and as SVG: the same drawing, so one is enough.
            picture = next((p for p in (text.with_suffix(".png"), text.with_suffix(".svg")) if p.is_file()), None)
            name = text.relative_to(root).with_suffix("").as_posix()
            if picture is None:
                log.drop(NAME, name, "there is no picture beside the caption")
                continue
            english, caption = read_captions(text, locale)
            if not english or "\ufffd" in english:
                # The English caption names the concept, and so decides the split.
                log.drop(NAME, name, "the English caption is " + ("not UTF-8" if english else "missing"))
                continue
            yield Example(
                picture=picture,
                captions=(caption,) if caption else (),
                captions_en=(english,),
                concept=concept_id(english),
                source=NAME,
                category=name.split("/")[0],
                variant=name.split("/", 1)[-1],
                licence="GPL-2.0-only",
                attribution="Tux Paint contributors",
            )


SOURCE = TuxPaint()
