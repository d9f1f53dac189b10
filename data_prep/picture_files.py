"""Which files of a folder are pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

# Ends of names, in small letters, of what `data_prep.pictures.decode` reads.
KINDS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".apng", ".svg")
# What phones and cameras write, and this tool does not read.
UNREADABLE = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng", ".cr2", ".nef", ".arw")
SAVE_AS = "pictures of this kind cannot be read: save it as JPEG or PNG"


def walk(root: Path, closed: Callable[[OSError], None] | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Each folder with its files' names, all in order; hidden ones and those the Hub leaves out are left out.

    Args:
        root: the outermost folder.
        closed: called with the error of each folder that cannot be read.
    """
    for folder, folders, files in os.walk(root, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        yield Path(folder), sorted(name for name in files if not name.startswith("."))
