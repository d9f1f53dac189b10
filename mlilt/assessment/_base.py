"""What tests get and what they give."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from mlilt import data
from mlilt.alignment.dual_encoder import DualEncoder
from mlilt.data import Row
from mlilt.model import encode_captions
from mlilt.record import RunRecord
from mlilt.towers.vision import VisionTower
from mlilt.training import features
from mlilt.training.corpus import Split
from mlilt.training.evaluate import Queries, queries

FORMAT: Literal[1] = 1


class Measured(BaseModel):
    """Values by item, of one test on one thing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    test: str = Field(description="the test's name")
    on: str = Field(description="what it was put to: a language, a pair of languages, held-out categories")
    part: str = Field(default="", description="which part of the test, if it has several")
    items: list[str] = Field(min_length=1, description="unique names of what was asked")
    clusters: list[str] = Field(description="of each item what it belongs to: a concept")
    values: dict[str, list[float]] = Field(min_length=1, description="by figure, one value an item")
    chance: dict[str, float] = Field(default={}, description="by figure, what a random order reaches")
    about: dict[str, Any] = Field(default={}, description="what else is worth knowing")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if {len(self.items)} != {len(set(self.items)), len(self.clusters), *map(len, self.values.values())}:
            raise ValueError("items must be unique, and have one cluster and one value of each figure")
        return self


@dataclass(frozen=True)
class Asked:
    """The test split of a language's prepared data set.

    Attributes:
        language: its code.
        folder: its data set.
        sha256: tells whether it is the same data, hex.
        imagenet: the folder with Babel-ImageNet's files, if the user has them.
    """

    language: str
    folder: Path
    sha256: str
    imagenet: Path | None = None

    @classmethod
    def of(cls, language: str, folder: Path, imagenet: Path | None = None) -> Asked:
        """That of a data set.

        Raises:
            UserError: the language is not prepared there.
        """
        return cls(language, folder, str(data.manifest(folder, language)["digest"]), imagenet)

    @cached_property
    def split(self) -> Split:
        """Its captioned pictures."""
        return Split(data.read_rows(self.folder, "test", self.language), [(self.folder, "test")])

    @cached_property
    def queries(self) -> Queries:
        """Its captions as queries."""
        return queries(self.split.rows)

    @property
    def captions(self) -> list[str]:
        """Unique names of the queries: with their concepts, since two may be called alike."""
        return [
            f"{concept}: {text}" for concept, text in zip(self.queries.concepts, self.queries.captions, strict=True)
        ]

    @cached_property
    def names(self) -> dict[str, dict[str, str]]:
        """Each concept's name in the language by source: the first main caption there."""
        found: dict[str, dict[str, str]] = {}
        for row in self.split.rows:
            found.setdefault(row.concept, {}).setdefault(row.source, row.captions[0])
        return found


@dataclass(frozen=True)
class Thing:
    """What a run is put to.

    Attributes:
        asked: the languages whose data is asked.
        also: what else its values depend on, such as categories held out.
    """

    asked: tuple[Asked, ...]
    also: str = ""

    @property
    def sha256(self) -> str:
        """Tells whether it is the same, hex."""
        return hashlib.sha256("\n".join([*(each.sha256 for each in self.asked), self.also]).encode()).hexdigest()


class Subject:
    """What is put to a test: a finished run, or the base towers that runs start from.

    What was encoded is kept: the same captions for as long as they come together, since in bfloat16 a caption's vector
    depends, if very little, on those that it is encoded with.

    Args:
        about: record of the run, or of one that started from these towers.
        dual: the dual encoder, on the device where to compute; of base towers its projections mean nothing.
        eyes: the vision tower.
        dtype: precision of matrix products.
        offline: use only what is on this machine.
        progress: show progress bars.
    """

    def __init__(
        self,
        about: RunRecord,
        dual: DualEncoder,
        eyes: VisionTower,
        dtype: torch.dtype,
        offline: bool,
        progress: bool,
    ) -> None:
        self.about = about
        self.offline = offline
        self.progress = progress
        self._dual = dual
        self._eyes = eyes
        self._dtype = dtype
        self._texts: dict[tuple[str, ...], Tensor] = {}
        self._seen: dict[str, Tensor] = {}

    def text(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Captions in the shared space: float32 of shape (n, dim), L2-normalized."""
        with torch.inference_mode():
            projected = self._dual.text_projection(self._vectors(captions).to(self._dual.log_scale.device))
            return np.asarray(projected.cpu().numpy(), dtype=np.float32)

    def language_vectors(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """The text tower's own vectors: float32 of shape (n, text width), L2-normalized."""
        return np.asarray(torch.nn.functional.normalize(self._vectors(captions), dim=-1).numpy(), dtype=np.float32)

    def _vectors(self, captions: Sequence[str]) -> Tensor:
        key = tuple(captions)
        if key not in self._texts:
            self._texts[key] = encode_captions(self._dual, key, self._dtype, projected=False)
        return self._texts[key]

    def features(self, split: Split) -> NDArray[np.float32]:
        """The vision tower's features of a split's pictures, float32 of shape (rows, image width)."""
        ids = split.image_ids
        device = self._dual.log_scale.device
        if self._dual.vision is None:
            eyes = self._eyes
            store = features.store_for(self.about.vision.sha256, eyes.preprocessing, eyes.width, self._dtype)
            if missing := set(ids) - set(store.place()):
                pictures = split.pictures(missing)
                features.ensure(store, eyes, pictures, len(missing), device, self._dtype, self.progress)
            found = store.read(ids)
        else:
            # A tower that was trained is nobody else's: its features are kept while it is here. Languages share
            # their pictures.
            if missing := set(ids) - self._seen.keys():
                encoded: list[str] = []

                def unseen() -> Iterator[bytes]:
                    for image_id, picture in split.pictures(missing):
                        encoded.append(image_id)
                        yield picture

                new = [row for part in features.encode(self._eyes, unseen(), device, self._dtype) for row in part]
                self._seen |= dict(zip(encoded, new, strict=True))
            found = torch.stack([self._seen[image_id] for image_id in ids])
        return np.asarray(found[split.image].numpy(), dtype=np.float32)

    def image(self, split: Split) -> NDArray[np.float32]:
        """A split's pictures in the shared space: float32 of shape (rows, dim), L2-normalized."""
        with torch.inference_mode():
            shown = torch.from_numpy(self.features(split)).to(self._dual.log_scale.device)
            return np.asarray(self._dual.encode_image(shown).cpu().numpy(), dtype=np.float32)


class Test(Protocol):
    """One module of this folder holds one as `TEST`; the first line of its docstring is its summary."""

    before: bool
    """Whether base towers can be put to it."""
    figures: tuple[str, ...]
    """Which of its figures a table shows; all are shares, 0 to 1."""
    needs: str
    """What must be there for it to be put to anything."""

    def things(self, about: RunRecord, asked: Sequence[Asked]) -> list[Thing]:
        """What a run is put to, with data sets of so many languages at hand, each once."""
        ...

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Puts the subject to it, on one thing; nothing if the data cannot be asked."""
        ...

    def note(self, measured: Measured) -> str:
        """What a reader of a figure should know beside it, in a few words."""
        ...


def each_language(asked: Sequence[Asked]) -> list[Thing]:
    """One thing a language."""
    return [Thing((one,)) for one in asked]


def first_rows(rows: Sequence[Row]) -> list[int]:
    """Places of the rows that show each picture first: a picture may be in a data set by several sources."""
    found: dict[str, int] = {}
    for place, row in enumerate(rows):
        found.setdefault(row.image_id, place)
    return list(found.values())


def balanced(right: NDArray[np.float64], labels: NDArray[Any]) -> tuple[list[float], dict[str, float]]:
    """Values whose mean is the balanced accuracy, and the accuracy of each class by its label.

    Args:
        right: of each item 1 or 0, shape (items,).
        labels: its class, shape (items,).
    """
    kinds, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shares = np.bincount(place, weights=right) / counts
    weighted = right * len(right) / (len(kinds) * counts[place])
    return weighted.tolist(), dict(zip(kinds.tolist(), shares.tolist(), strict=True))
