"""Decodes every picture and stores it in one plain form; what cannot be decoded, or is too small or long, is left out.

Always on: it makes files from anywhere safe to open, since nothing of them is kept but their pixels.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from data_prep.pictures import MAX_ASPECT, MAX_SIDE, MIN_SIDE, Canonical, PictureError, canonical, read
from data_prep.records import Picture, Region
from data_prep.steps._base import option
from data_prep.store import Store


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came of a picture.

    Attributes:
        raw: digest of its bytes as the source has them, 16 bytes; empty if they cannot be read.
        found: the picture in its plain form, or why there is none.
    """

    raw: bytes
    found: Canonical | PictureError


@dataclass(frozen=True, slots=True)
class Pictures:
    """See the module's docstring."""

    max_side: Annotated[int, Field(ge=8)] = option(MAX_SIDE, "larger pictures are scaled down to so many pixels a side")
    min_side: Annotated[int, Field(ge=1)] = option(MIN_SIDE, "smaller ones are left out")
    max_aspect: Annotated[float, Field(ge=1)] = option(
        MAX_ASPECT, "those more than so many times as long as wide are left out"
    )

    def decode(self, pictures: Sequence[Picture], store: Store | None = None, threads: int = 1) -> list[Decoded]:
        """Decodes pictures, in their order; those that a store has already are taken from there."""
        # What Pillow says of odd files is no news to a user.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if threads == 1:
                return [self._decode(picture, store) for picture in pictures]
            # Decoding and drawing release the interpreter's lock.
            with ThreadPoolExecutor(threads) as pool:
                return list(pool.map(lambda picture: self._decode(picture, store), pictures))

    def _decode(self, picture: Picture, store: Store | None) -> Decoded:
        try:
            data = read(picture)
        except PictureError as error:
            return Decoded(b"", error)
        region = picture if isinstance(picture, Region) else None
        # Two regions of a picture are two pictures.
        raw = hashlib.sha256(data + (repr(region.box).encode() if region else b"")).digest()[:16]
        key = f"{raw.hex()}-{self.max_side}-{self.min_side}-{self.max_aspect:g}"
        if store and (known := store.find(key)):
            return Decoded(raw, known)
        found: Canonical | PictureError
        try:
            found = canonical(
                replace(region, picture=data) if region else data, self.max_side, self.min_side, self.max_aspect
            )
        except PictureError as error:
            found = error
        if store:
            store.keep(key, found)
        return Decoded(raw, found)


STEP = Pictures
