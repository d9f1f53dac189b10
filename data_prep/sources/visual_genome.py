"""Visual Genome in Hausa, Hindi, Bengali and Malayalam: 32,900 regions of photographs, each described in a phrase.

The English phrases of Visual Genome were translated by machine and then corrected by people who saw the pictures. The
four sets describe the same regions, in the same splits; the challenge test set has words that only the picture makes
clear.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.records import Cell, DropLog, Example, Region
from data_prep.sources._base import About, Hub, Pointed
from data_prep.sources._hub import rows, shards
from data_prep.sources._layout import (
    DAMAGED_FILE,
    DAMAGED_LINE,
    NO_PICTURE,
    captions,
    is_there,
    layout_error,
    open_root,
)

NAME = "visual-genome"
_LANGUAGES = {"bn": "bengali", "ha": "hausa", "hi": "hindi", "ml": "malayalam"}
# A part's names in the releases (Malayalam calls the challenge test set "chtest"), its name on the Hub, its split.
_PARTS = (
    (("train",), "train", "train"),
    (("dev",), "validation", "validation"),
    (("test",), "test", "test"),
    (("challenge-test-set", "chtest"), "challenge_test", "test"),
)
_COLUMNS = ("image.path", "X", "Y", "Width", "Height", "en_text", "ha_text")

Box = tuple[int, int, int, int]


class VisualGenome:
    """See the module's docstring."""

    about = About(
        title="Visual Genome in Hausa 1.0, Hindi 1.1, Bengali 1.0 and Malayalam 1.0",
        homepage="https://ufal.mff.cuni.cz/hindi-visual-genome",
        licences=("CC-BY-4.0", "CC-BY-NC-SA-4.0"),
        citation="Shantipriya Parida, Ondřej Bojar, Satya Ranjan Dash. Hindi Visual Genome: A Dataset for Multi-Modal "
        "English to Hindi Machine Translation. Computación y Sistemas 23(4), 2019. Idris Abdulmumin et al. Hausa "
        "Visual Genome. LREC 2022. Arghyadeep Sen et al. Bengali Visual Genome. FICTA 2021. Ranjay Krishna et al. "
        "Visual Genome. IJCV 123, 2017.",
        pictures="Photographs of Visual Genome, in the releases or by their numbers from Visual Genome itself. The "
        "captions describe a region of each, which is cut out.",
        locales=tuple(_LANGUAGES),
        pointed=Pointed(
            "folder",
            "LINDAT's hausa-, hindi-, bengali- or malayalam-visual-genome-train.txt (or .txt.gz; -dev, -test and "
            "-challenge-test-set or -chtest beside it) with the release's folders of pictures "
            "(...-visual-genome-train.images/ID.jpg), or Visual Genome's VG_100K/ and VG_100K_2/; for Hausa also a "
            "download of HausaNLP/HausaVG with default/train/*.parquet.",
            # The branch with the Hub's own conversion to Parquet: the data set itself is a script.
            Hub("HausaNLP/HausaVG", "refs/convert/parquet", ("*/*/*.parquet",)),
        ),
    )

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = open_root(NAME, self.about, locale, files)
        tables = [path for names, *_ in _PARTS if (path := _table(root, locale, names))]
        on_hub = locale == "ha" and any(shards(root, _pattern(root, hub)) for _, hub, _ in _PARTS)
        if not tables and not on_hub:
            missing = f"there is no {_LANGUAGES[locale]}-visual-genome-train.txt"
            raise layout_error(NAME, self.about, root, missing)
        folders = _folders(root)
        if tables and not folders:
            raise layout_error(NAME, self.about, root, "there is no folder of pictures")
        for names, hub, split in _PARTS:
            part = _text_rows(root, locale, names, folders, log) if tables else _hub_rows(root, hub, log)
            for key, picture, box, english, caption in part:
                yield Example(
                    picture=Region(picture, box),
                    captions=captions(caption),
                    captions_en=captions(english),
                    concept=f"{NAME}-{key}",
                    source=NAME,
                    category="challenge test" if hub == "challenge_test" else "",
                    variant="-".join(map(str, box)),
                    licence="CC-BY-4.0+CC-BY-NC-SA-4.0",
                    attribution=f"Visual Genome; {_LANGUAGES[locale].title()} Visual Genome",
                    split=split,
                )


Row = tuple[str, Path | Cell, Box, str, str]


def _table(root: Path, locale: str, names: tuple[str, ...]) -> Path | None:
    stem = f"{_LANGUAGES[locale]}-visual-genome"
    for above in ("", f"{stem}*/", "*/", f"*/{stem}*/"):
        for name in names:
            for suffix in (".txt", ".tsv", ".txt.gz"):
                if found := sorted(root.glob(f"{above}{stem}-{name}{suffix}")):
                    return found[0]
    return None


def _folders(root: Path) -> list[Path]:
    """Folders of pictures: of any of the four releases, for their pictures are the same, and of Visual Genome."""
    patterns = ("*.images", "*/*.images", "*/*/*.images", "VG_100K*", "*/VG_100K*", "images")
    return [path for pattern in patterns for path in sorted(root.glob(pattern)) if path.is_dir()]


def _box(values: list[object]) -> Box | None:
    """A region; None if it is not one."""
    try:
        left, top, width, height = (int(str(value)) for value in values)
    except ValueError:
        return None
    return (left, top, width, height) if left >= 0 and top >= 0 and width > 0 and height > 0 else None


def _text_rows(root: Path, locale: str, names: tuple[str, ...], folders: list[Path], log: DropLog) -> Iterator[Row]:
    table = _table(root, locale, names)
    if table is None:
        return
    for number, line in _lines(table, log):
        cells = line.rstrip("\r\n").split("\t")
        box = _box([*cells[1:5]]) if len(cells) == 7 else None
        if box is None or not cells[0].strip().isdigit():
            log.drop(NAME, f"{table.name}:{number}", DAMAGED_LINE)
            continue
        key = cells[0].strip()
        path = next((path for folder in folders if is_there(path := folder / f"{key}.jpg")), None)
        if path is None:
            log.drop(NAME, key, NO_PICTURE)
            continue
        yield key, path, box, cells[5], cells[6]


def _lines(path: Path, log: DropLog) -> Iterator[tuple[int, str]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.decode("utf-8", "replace")
        except (OSError, EOFError, zlib.error):
            log.drop(NAME, path.name, DAMAGED_FILE)


def _pattern(root: Path, part: str) -> str:
    """Glob of a part's files: as the Hub converts a data set that is a script, or as a data set of tables."""
    converted = f"*/{part}/*.parquet"
    return converted if shards(root, converted) else f"data/{part}-*.parquet"


def _hub_rows(root: Path, part: str, log: DropLog) -> Iterator[Row]:
    for path, number, row in rows(root, _pattern(root, part), _COLUMNS, NAME, log):
        # Where the table does not say which picture of Visual Genome it is, its place has to do.
        name = Path(str((row.get("image") or {}).get("path") or "")).stem
        box = _box([row[side] for side in ("X", "Y", "Width", "Height")])
        if box is None:
            log.drop(NAME, f"{path.name}:{number}", DAMAGED_LINE)
            continue
        key = name if name.isdigit() else f"{part}-{path.stem}-{number}"
        yield key, Cell(path, number, "image"), box, row["en_text"] or "", row["ha_text"] or ""


SOURCE = VisualGenome()
