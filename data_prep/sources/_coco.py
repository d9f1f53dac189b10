"""Finds the photographs of COCO and Flickr30k by file name, in the places people unpack them to.

`CocoPictures(root).find("COCO_val2014_000000391895.jpg")`, `Flickr30kPictures(root).find("1000092795.jpg")`: a path,
or None. The layouts' descriptions and the pictures' licences are constants.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from data_prep.sources._layout import is_there

_NUMBER = re.compile(r"(?:COCO_(?:train|val|test)\d{4}_)?0*(\d{1,12})(?:\.jpg)?", re.IGNORECASE)

_ABOVE = ("", "images", "coco", "COCO", "coco/images", "mscoco", "coco2014", "coco2014/images", "coco2017", "data/coco")
_SETS_2014 = ("train2014", "val2014", "test2014")
_SETS_2017 = ("train2017", "val2017", "test2017")
_FLICKR = (
    "",
    "flickr30k-images",
    "flickr30k_images",
    "flickr30k_images/flickr30k_images",
    "flickr30k-images/flickr30k-images",
    "flickr30k/flickr30k-images",
    "flickr30k/images",
    "flickr30k/Images",
    "flickr30k",
    "Images",
    "images",
    "images/flickr30k-images",
    "data/flickr30k",
)

# There are no SPDX identifiers for the terms of these photographs, all of which come from Flickr.
COCO_LICENCE = "LicenseRef-COCO-images"
FLICKR30K_LICENCE = "LicenseRef-Flickr30k-images"

COCO_LAYOUT = "COCO's folders train2014/ and val2014/ (or train2017/ and val2017/) below it or below images/ or coco/"
FLICKR30K_LAYOUT = "Flickr30k's folder flickr30k-images/ (or images/) below it"


def _existing(root: Path, names: Sequence[str]) -> list[Path]:
    return [folder for name in dict.fromkeys(names) if (folder := root / name).is_dir()]


class CocoPictures:
    """COCO's pictures below `root`: COCO 2014's and 2017's files hold the same pictures under the same numbers.

    Looked for in `root` itself, and in train2014/, val2014/, train2017/, val2017/ ... in `root` or in a folder of it
    such as images/ or coco/. Looking costs some `is_file` calls a picture and no memory.
    """

    def __init__(self, root: Path) -> None:
        self._2014 = _existing(root, [f"{a}/{s}" if a else s for a in _ABOVE for s in _SETS_2014])
        self._2017 = _existing(root, [f"{a}/{s}" if a else s for a in _ABOVE for s in _SETS_2017])
        self._flat = _existing(root, _ABOVE)

    @property
    def any(self) -> bool:
        """Whether there is a folder of COCO's sets at all."""
        return bool(self._2014 or self._2017)

    @staticmethod
    def number(name: str | int) -> int | None:
        """COCO's number of a picture: of "COCO_val2014_000000391895.jpg", "000000391895.jpg", "391895"; else None."""
        match = _NUMBER.fullmatch(str(name).rsplit("/", 1)[-1])
        return int(match[1]) if match else None

    def find(self, name: str | int) -> Path | None:
        """The picture with this file name (folders before it do not count) or number; None if it is not there."""
        number = self.number(name)
        if number is None:
            return None
        for folder in (*self._2014, *self._flat):
            # A folder of one set holds files of that set alone.
            sets = (folder.name,) if folder.name in _SETS_2014 else _SETS_2014
            for set_name in sets:
                if is_there(path := folder / f"COCO_{set_name}_{number:012}.jpg"):
                    return path
        for folder in (*self._2017, *self._flat):
            if is_there(path := folder / f"{number:012}.jpg"):
                return path
        return None


class Flickr30kPictures:
    """Flickr30k's pictures below `root`: in it, or in flickr30k-images/, images/ and the like."""

    def __init__(self, root: Path) -> None:
        self._folders = _existing(root, _FLICKR)

    def find(self, name: str | int) -> Path | None:
        """The picture with this file name ("1000092795.jpg"; ".jpg" may be left out); None if it is not there."""
        file = f"{str(name).rsplit('/', 1)[-1].removesuffix('.jpg')}.jpg"
        return next((path for folder in self._folders if is_there(path := folder / file)), None)
