"""Pictures as the page shows them: drawn anew, so that nothing of their files but what is seen leaves the machine."""

from __future__ import annotations

import io

from PIL import Image

from data_prep.pictures import decode


def render(picture: bytes, side: int) -> bytes:
    """A picture as WebP, neither side longer than `side`; without metadata, such as where it was taken.

    Raises:
        PictureError: it cannot be decoded.
    """
    image = decode(picture, side)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=85, method=2)
    return out.getvalue()
