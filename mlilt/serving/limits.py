"""What a request may be at most, and how its body is read without holding more than that."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass

from fastapi import HTTPException, Request
from PIL import Image
from starlette.requests import ClientDisconnect

from data_prep.pictures import FORMATS

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a picture that is sent.

    Attributes:
        bytes: of its file.
        pixels: of the picture.
        seconds: until it must have arrived.
    """

    bytes: int = 16 * MIB
    pixels: int = 40_000_000
    seconds: float = 30.0


async def body(request: Request, limits: Limits) -> bytes:
    """The body of a request.

    Raises:
        HTTPException: it is larger than allowed (413), does not arrive in time (408) or not whole (400).
    """
    too_large = HTTPException(413, f"A picture may have {limits.bytes:,} bytes at most.")
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limits.bytes:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(limits.seconds):
            async for part in request.stream():
                size += len(part)
                if size > limits.bytes:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise HTTPException(408, f"The picture did not arrive within {limits.seconds:g} seconds.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The picture did not come whole.") from None
    return b"".join(parts)


def check_pixels(data: bytes, limits: Limits) -> None:
    """Looks at a picture's size before it is decoded; what is no picture is for the decoder to say.

    Raises:
        HTTPException: it has more pixels than allowed (413).
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            pixels = image.width * image.height
    except Image.DecompressionBombError:
        pixels = limits.pixels + 1
    except Exception:  # Pillow raises many kinds
        return
    if pixels > limits.pixels:
        raise HTTPException(413, f"A picture may have {limits.pixels:,} pixels at most.")
