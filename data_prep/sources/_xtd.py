"""Reads XTD: 1,000 captions a language, line by line with the names of pictures of COCO 2014 (evaluation only)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_prep.records import DropLog, Example
from data_prep.sources._coco import COCO_LICENCE, CocoPictures
from data_prep.sources._layout import NO_NAME, NO_PICTURE, aligned, first_file, text_lines

IMAGES = "test_image_names.txt"


def english(root: Path, names: Path, *places: str) -> dict[str, str]:
    """English captions by picture name; none if their file is not there or belongs to another list."""
    path = first_file(root, *places)
    if path is None or len(text_lines(path)) != len(text_lines(names)):
        return {}
    return dict(aligned(names, path))


def read(
    source: str,
    root: Path,
    names: Path,
    texts: Path,
    captions_en: dict[str, str],
    terms: str,
    origin: str,
    log: DropLog,
) -> Iterator[Example]:
    """Yields a picture for each line; `terms` is the licence of the captions, `origin` what made them.

    Raises:
        UserError: the two files do not have the same number of lines.
    """
    pictures = CocoPictures(root)
    for number, (name, caption) in enumerate(aligned(names, texts), 1):
        picture = pictures.find(name)
        if picture is None:
            log.drop(source, name or f"{names.name}:{number}", NO_PICTURE if name else NO_NAME)
            continue
        in_english = captions_en.get(name, "")
        yield Example(
            picture=picture,
            captions=(caption,) if caption else (),
            captions_en=(in_english,) if in_english else (),
            concept=f"{source}-{name.removesuffix('.jpg')}",
            source=source,
            licence=f"{COCO_LICENCE}+{terms}",
            attribution="COCO; XTD10",
            split="test",
            origin=origin,
        )
