"""Example queries with the pictures that each strategy found, as thumbnails to be put into a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from data_prep.errors import UserError
from data_prep.pipeline import read_manifest
from mlilt import data
from mlilt.comparison.results import Group
from mlilt.comparison.words import label

THUMBNAIL = 96


@dataclass(frozen=True, slots=True)
class Example:
    """A query, and what each strategy found for it, best first: (thumbnail as a data URI, is it right)."""

    query: str
    english: str
    found: dict[str, list[tuple[str, bool]]]


def gather(group: Group) -> list[Example]:
    """The queries that all runs of a group were shown, each strategy by its first seed.

    Empty if the data set is no longer where it was, or is another by now.
    """
    first = {label(group, row): group.members(row)[0].record for row in group.rows}
    wanted = {image for about in first.values() for found in about.examples for image in found.images}
    places = dict.fromkeys(run.record.config.data_folder for run in group.runs)
    thumbnails = next(filter(None, (_thumbnails(place, group.data_sha256, wanted) for place in places)), {})
    if not thumbnails:
        return []
    examples = []
    for place, asked in enumerate(next(iter(first.values())).examples):
        found = {name: about.examples[place] for name, about in first.items()}
        examples.append(
            Example(
                query=asked.query,
                english=asked.english,
                found={
                    name: [(thumbnails[image], right) for image, right in zip(f.images, f.right, strict=True)]
                    for name, f in found.items()
                },
            )
        )
    return examples


def _thumbnails(folder: Path, sha256: str, wanted: set[str]) -> dict[str, str]:
    try:
        if read_manifest(folder)["digest"] != sha256:
            return {}
    except UserError:
        return {}
    return {image_id: _data_uri(picture) for image_id, picture in data.read_pictures(folder, "test", wanted)}


def _data_uri(picture: bytes) -> str:
    image = Image.open(io.BytesIO(picture))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")
