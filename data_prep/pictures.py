"""Decodes pictures from anywhere, safely, and brings them into one plain form."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

MAX_FILE_BYTES = 64 * 1024**2
MAX_PIXELS = 64_000_000
MAX_SIDE = 512
MIN_SIDE = 8


class PictureError(ValueError):
    """A picture that cannot be used; the message is a short fixed phrase, fit for counting."""


def decode(picture: Path | bytes) -> Image.Image:
    """Decodes PNG, JPEG, WebP, GIF, BMP, TIFF or SVG to 8-bit RGB, upright, transparency laid on white.

    Of an animation the first frame is taken.

    Raises:
        PictureError: empty, too large, of an unknown format, damaged or cut short.
    """
    try:
        size = len(picture) if isinstance(picture, bytes) else picture.stat().st_size
        if size == 0:
            raise PictureError("the picture file is empty")
        if size > MAX_FILE_BYTES:
            raise PictureError(f"the picture file is larger than {MAX_FILE_BYTES >> 20} MiB")
        data = picture if isinstance(picture, bytes) else picture.read_bytes()
    except OSError as error:
        raise PictureError(f"the picture cannot be read: {error.strerror}") from error
    if re.match(rb"\s*(<\?xml|<svg|<!DOCTYPE svg)", data[:256].removeprefix(b"\xef\xbb\xbf")):
        data = _rasterize(data)
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"))
        if image.width * image.height > MAX_PIXELS:
            raise PictureError(f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels")
        image.load()
        return plain(image)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels") from error
    except UnidentifiedImageError as error:
        raise PictureError("the picture is of no known format") from error
    except Exception as error:  # Pillow's decoders raise many kinds, SyntaxError and struct.error among them
        raise PictureError("the picture is damaged or cut short") from error


def canonical(picture: Path | bytes) -> tuple[bytes, str]:
    """The picture as an RGB PNG of at most `MAX_SIDE` pixels a side, and the first 16 hex digits of its SHA-256.

    Raises:
        PictureError: as `decode`, or the picture is smaller than `MIN_SIDE` pixels.
    """
    image = decode(picture)
    if min(image.size) < MIN_SIDE:
        raise PictureError(f"the picture is smaller than {MIN_SIDE} pixels")
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=4)
    return out.getvalue(), hashlib.sha256(out.getvalue()).hexdigest()[:16]


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
    rb"<(?:\w+:)?(?:image|use|feImage)\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*?href\s*=\s*[\"']\s*(?!data:|#|\s)"
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
