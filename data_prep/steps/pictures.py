"""Decodes every picture and stores it in one plain form; what cannot be decoded is dropped with the reason."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from data_prep.pictures import PictureError, canonical
from data_prep.records import DropLog, Example

_CHUNK = 256


def _attempt(example: Example) -> Example | PictureError:
    try:
        data, image_id = canonical(example.picture)
    except PictureError as error:
        return error
    return replace(example, picture=data, image_id=image_id)


def apply(examples: Iterable[Example], log: DropLog) -> Iterator[Example]:
    """Yields the examples whose picture can be decoded, with PNG bytes and `image_id` set, in their order."""
    # Decoding and drawing release the interpreter's lock, so threads use every core.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        queue = iter(examples)
        while chunk := list(islice(queue, _CHUNK)):
            # What Pillow says of odd files is no news to a user. Here, since filters are the whole process's.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results = list(pool.map(_attempt, chunk))
            for example, result in zip(chunk, results, strict=True):
                if isinstance(result, PictureError):
                    log.drop(example.source, example.item, str(result))
                else:
                    yield result
