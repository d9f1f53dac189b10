"""Queries with the pictures that each method found, as thumbnails to be put into a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from PIL import Image

from data_prep.errors import UserError
from mlilt import data
from mlilt.comparison.results import Group, Row
from mlilt.comparison.words import label
from mlilt.config import RunConfig
from mlilt.record import Found, RunRecord
from mlilt.training import corpus

THUMBNAIL = 96
# Of parameters: what trains less is a small method.
SMALL = 0.07


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a data URI, and a caption of it."""

    uri: str
    caption: str


@dataclass(frozen=True, slots=True)
class Example:
    """A query, and what each method found for it, best first: (thumbnail, is it right)."""

    query: str
    english: str
    found: dict[str, list[tuple[Thumbnail, bool]]]


@dataclass(frozen=True, slots=True)
class Confusion:
    """A query that a method answered wrongly: what it found first, and the right picture with its rank."""

    query: str
    english: str
    found: Thumbnail
    right: Thumbnail
    rank: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What a group's methods found, each by its first seed.

    Attributes:
        examples: queries that all methods were given.
        confusions: by method, the wrong answers that it doubted least: of the best small one and of full training.
    """

    examples: list[Example] = field(default_factory=list)
    confusions: dict[str, list[Confusion]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the thumbnails in a page, each as often as it is shown."""
        many = [thumbnail for e in self.examples for found in e.found.values() for thumbnail, _ in found]
        many += [thumbnail for found in self.confusions.values() for c in found for thumbnail in (c.found, c.right)]
        return sum(len(thumbnail.uri) for thumbnail in many)


def gather(group: Group) -> Shown:
    """What a group's methods found; nothing if its data set is no longer where it was, or is another by now."""
    examples = {label(group, row): _first(group, row).examples[group.language] for row in group.rows}
    confusions = {label(group, row): _first(group, row).confusions[group.language] for row in _telling(group)}
    wanted = set(_wanted(examples.values())) | {
        image for found in confusions.values() for f in found for image in (f.images[0], f.answer)
    }
    # Runs differ in where they found their data, if in anything of it.
    configs = {run.record.config.data: run.record.config for run in group.runs}
    tried = (_thumbnails(config, group.language, group.data_sha256, wanted) for config in configs.values())
    there = next(filter(None, tried), None)
    if there is None:
        return Shown()
    return Shown(
        [
            Example(
                asked.query,
                asked.english,
                {
                    name: [(there[image], right) for image, right in zip(f[place].images, f[place].right, strict=True)]
                    for name, f in examples.items()
                },
            )
            for place, asked in enumerate(next(iter(examples.values())))
        ],
        {
            name: [Confusion(f.query, f.english, there[f.images[0]], there[f.answer], f.rank) for f in found]
            for name, found in confusions.items()
            if found
        },
    )


def _first(group: Group, row: Row) -> RunRecord:
    return group.members(row)[0].record


def _telling(group: Group) -> list[Row]:
    """The best small method, and what it is held against; of methods that are not, the best."""
    held = [row for row in group.rows if row.difference is not None and row.share < SMALL]
    best = max(held or group.rows, key=lambda row: row.figures["text_to_image"]["recall_at_10"].value)
    full = group.baseline(best)
    return [best] if full is None else [best, full]


def _wanted(examples: Iterable[Iterable[Found]]) -> Iterator[str]:
    for found in examples:
        for each in found:
            yield from each.images


def _thumbnails(config: RunConfig, language: str, sha256: str, wanted: set[str]) -> dict[str, Thumbnail] | None:
    try:
        if corpus.digest(config) != sha256:
            return None
        folder = config.data_folder(language)
        captions = {row.image_id: row.captions[0] for row in data.read_rows(folder, "test", language)}
        pictures = data.read_pictures(folder, "test", wanted)
        found = {image_id: Thumbnail(_data_uri(picture), captions[image_id]) for image_id, picture in pictures}
    except (UserError, OSError):
        # OSError: a picture that is none.
        return None
    return found if wanted <= found.keys() else None


def _data_uri(picture: bytes) -> str:
    image = Image.open(io.BytesIO(picture))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")
