"""Example queries with the pictures that each method found, as thumbnails to be put into a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image

from data_prep.errors import UserError
from mlilt import data
from mlilt.comparison.results import Group
from mlilt.comparison.words import label
from mlilt.config import RunConfig
from mlilt.training import corpus

THUMBNAIL = 96


@dataclass(frozen=True, slots=True)
class Example:
    """A query, and what each method found for it, best first: (thumbnail as a data URI, is it right)."""

    query: str
    english: str
    found: dict[str, list[tuple[str, bool]]]


def gather(group: Group) -> list[Example]:
    """The queries that all runs of a group were shown, each method by its first seed.

    Empty if the data set is no longer where it was, or is another by now.
    """
    first = {label(group, row): group.members(row)[0].record.examples[group.language] for row in group.rows}
    wanted = {image for examples in first.values() for found in examples for image in found.images}
    # Runs differ in where they found their data, if in anything of it.
    configs = {run.record.config.data: run.record.config for run in group.runs}
    tried = (_thumbnails(config, group.language, group.data_sha256, wanted) for config in configs.values())
    thumbnails = next(filter(None, tried), {})
    if not thumbnails:
        return []
    examples = []
    for place, asked in enumerate(next(iter(first.values()))):
        found = {name: shown[place] for name, shown in first.items()}
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


def _thumbnails(config: RunConfig, language: str, sha256: str, wanted: set[str]) -> dict[str, str]:
    try:
        if corpus.digest(config) != sha256:
            return {}
    except UserError:
        return {}
    pictures = data.read_pictures(config.data_folder(language), "test", wanted)
    return {image_id: _data_uri(picture) for image_id, picture in pictures}


def _data_uri(picture: bytes) -> str:
    image = Image.open(io.BytesIO(picture))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")
