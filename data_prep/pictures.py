"""Decodes pictures from anywhere, safely, and brings them into one plain form."""

from __future__ import annotations

import hashlib
import io
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps, UnidentifiedImageError

from data_prep.records import Cell, Picture, Region, Slice

MAX_FILE_BYTES = 64 * 1024**2
MAX_PIXELS = 64_000_000
MAX_SIDE = 512
MIN_SIDE = 8
MAX_ASPECT = 8.0


# Formats that are decoded, as Pillow names them; SVG is drawn before.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
# What an error begins with that another try may not have.
CANNOT_BE_READ = "the picture cannot be read"


class PictureError(ValueError):
    """A picture that cannot be used; the message is a short fixed phrase, fit for counting."""


def read(picture: Picture) -> bytes:
    """The encoded picture, from wherever it is; of a region that of the whole.

    Raises:
        PictureError: empty, too large, or not to be read.
    """
    if isinstance(picture, Region):
        return read(picture.picture)
    try:
        if isinstance(picture, Cell):
            data = _cell(picture)
        elif isinstance(picture, Slice):
            _check_size(picture.length)
            with picture.path.open("rb") as file:
                file.seek(picture.offset)
                data = file.read(picture.length)
        elif isinstance(picture, Path):
            _check_size(picture.stat().st_size)
            data = picture.read_bytes()
        else:
            data = picture
    except OSError as error:
        raise PictureError(f"{CANNOT_BE_READ}: {error.strerror or error}") from error
    # Those of `arrow.READ_ERRORS`, without loading its readers for pictures that lie in no table.
    except (pa.ArrowException, UnicodeDecodeError, IndexError) as error:
        raise PictureError("the table that holds the picture cannot be read") from error
    _check_size(len(data))
    return data


def _check_size(size: int) -> None:
    if size <= 0:
        raise PictureError("the picture file is empty")
    if size > MAX_FILE_BYTES:
        raise PictureError(f"the picture file is larger than {MAX_FILE_BYTES >> 20} MiB")


# A file that was replaced is another one.
_Version = tuple[int, int]


@lru_cache(maxsize=2)
def _table(path: Path, version: _Version) -> tuple[Any, list[int]]:
    """A Parquet file, and where its row groups start."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, page_checksum_verification=True)
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    return file, [0, *accumulate(sizes)]


# Rows are asked for in their order, so that one group of them is enough to keep.
@lru_cache(maxsize=1)
def _group(path: Path, version: _Version, group: int, column: str) -> Any:
    return _table(path, version)[0].read_row_group(group, columns=[column]).column(0)


def _cell(cell: Cell) -> bytes:
    told = cell.path.stat()
    version = (told.st_mtime_ns, told.st_ino)
    _, starts = _table(cell.path, version)
    group = bisect_right(starts, cell.row) - 1
    value = _group(cell.path, version, group, cell.column)[cell.row - starts[group]].as_py()
    if isinstance(value, dict):
        value = value.get("bytes")
    if not isinstance(value, bytes):
        raise PictureError("there is no picture in its row")
    return value


def decode(picture: Picture, side: int | None = None) -> Image.Image:
    """Decodes PNG, JPEG, WebP, GIF, BMP, TIFF or SVG to 8-bit RGB, upright, transparency laid on white.

    Of an animation the first frame is taken.

    Args:
        picture: where it is.
        side: a JPEG may come smaller than it is, but with no side below this: that is quicker by far.

    Raises:
        PictureError: empty, too large, of an unknown format, damaged or cut short.
    """
    return _decode(picture, side)[0]


def _decode(picture: Picture, side: int | None = None) -> tuple[Image.Image, bool]:
    """The picture, and whether its file was compressed with losses."""
    data = read(picture)
    if re.match(rb"\s*(<\?xml|<svg|<!DOCTYPE svg)", data[:256].removeprefix(b"\xef\xbb\xbf")):
        data = _rasterize(data)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise PictureError(f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels")
        if side is not None:
            image.draft("RGB", (side, side))
        image.load()
        lossy = image.format in ("JPEG", "MPO") or (image.format == "WEBP" and b"VP8 " in data[:64])
        made = plain(image)
    except (PictureError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels") from error
    except UnidentifiedImageError as error:
        raise PictureError("the picture is of no known format") from error
    except Exception as error:  # Pillow's decoders raise many kinds, SyntaxError and struct.error among them
        raise PictureError("the picture is damaged or cut short") from error
    return (_crop(made, picture.box) if isinstance(picture, Region) else made), lossy


def _crop(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    left, top, width, height = box
    right, bottom = min(left + width, image.width), min(top + height, image.height)
    left, top = max(left, 0), max(top, 0)
    if left >= right or top >= bottom:
        raise PictureError("the region is outside the picture")
    return image.crop((left, top, right, bottom))


@dataclass(frozen=True, slots=True)
class Canonical:
    """A picture in the plain form that data sets hold.

    Attributes:
        data: RGB, PNG or, where the original was compressed with losses, JPEG. No metadata.
        suffix: "png" or "jpg".
        image_id: the first 16 hex digits of the data's SHA-256.
        look: 200 bytes to tell look-alikes by: a perceptual hash (pHash, 64 bits) and the colours at 8 x 8 points.
    """

    data: bytes
    suffix: str
    image_id: str
    look: bytes


def canonical(
    picture: Picture, max_side: int = MAX_SIDE, min_side: int = MIN_SIDE, max_aspect: float = MAX_ASPECT
) -> Canonical:
    """Decodes a picture and brings it into the plain form, at most `max_side` pixels a side.

    Raises:
        PictureError: as `decode`, or the picture is smaller than `min_side` pixels, or longer than `max_aspect` times
            its other side.
    """
    image, lossy = _decode(picture)
    if min(image.size) < min_side:
        raise PictureError(f"the picture is smaller than {min_side} pixels")
    if max(image.size) > max_aspect * min(image.size):
        raise PictureError(f"the picture is more than {max_aspect:g} times as long as wide")
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    if lossy:
        image.save(out, "JPEG", quality=92, subsampling=0)
    else:
        image.save(out, "PNG", compress_level=4)
    data = out.getvalue()
    return Canonical(data, "jpg" if lossy else "png", image_id_of(data), look(image))


def image_id_of(data: bytes) -> str:
    """What an encoded picture is called everywhere: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def look(image: Image.Image) -> bytes:
    """What an RGB picture looks like: its perceptual hash (8 bytes) and its colours at 8 x 8 points (192 bytes).

    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.
    """
    # Not needed where pictures are searched alone.
    import imagehash

    small = image.resize((64, 64), Image.Resampling.BOX, reducing_gap=2.0)
    bits = np.packbits(imagehash.phash(small).hash).tobytes()
    return bits + small.resize((8, 8), Image.Resampling.BOX).tobytes()


def plain(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        # 16-bit grey: Pillow's own conversion clips instead of scaling.
        image = image.point(lambda value: value / 257).convert("L")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image)
        image = ground
    return image.convert("RGB")


# Values in quotes are stepped over as a whole: they may hold a ">".
_OUTSIDE = re.compile(
    rb"<(?:[^\s<>/:\"'=]+:)?(?:image|use|feImage)\b(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*?href\s*=\s*[\"']\s*(?!data:|#|\s)"
)


def _rasterize(svg: bytes) -> bytes:
    import resvg_py

    if _OUTSIDE.search(svg):
        raise PictureError("the SVG refers to other files")
    try:
        # Both sides are given: it is fitted into them, so nothing that the file says makes it larger.
        # No fonts of the machine, so that the same file gives the same picture everywhere.
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=svg.decode("utf-8-sig"), width=MAX_SIDE, height=MAX_SIDE, dpi=96, skip_system_fonts=True
            )
        )
    except BaseException as error:  # the extension reports a panic as a BaseException of its own
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise PictureError("the SVG cannot be drawn") from error
