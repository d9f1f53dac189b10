"""What tests get and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from data_prep.errors import UserError
from mlilt import data
from mlilt.alignment.dual_encoder import DualEncoder
from mlilt.model import encode_captions
from mlilt.record import RunRecord
from mlilt.towers.vision import VisionTower
from mlilt.training import features
from mlilt.training.corpus import Split
from mlilt.training.evaluate import Queries, queries
from mlilt.training.pictures import Pictures

FORMAT: Literal[1] = 1


class Measured(BaseModel):
    """Values by item, of one test on one thing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: str = Field(description="the test's name")
    on: str = Field(description="what it was put to: a language, a pair of languages, held-out categories")
    part: str = Field(default="", description="which part of the test, if it has several")
    items: list[str] = Field(description="unique names of what was asked")
    clusters: list[str] = Field(description="of each item what it belongs to: a concept")
    values: dict[str, list[float]] = Field(description="by figure, one value an item")
    chance: dict[str, float] = Field(default={}, description="by figure, what a random order reaches")
    about: dict[str, Any] = Field(default={}, description="what else is worth knowing")


@dataclass(frozen=True)
class Asked:
    """The test split of a language's prepared data set.

    Attributes:
        language: its code.
        folder: its data set.
        sha256: tells whether it is the same data, hex.
    """

    language: str
    folder: Path
    sha256: str

    @classmethod
    def of(cls, language: str, folder: Path) -> Asked:
        """That of a data set.

        Raises:
            UserError: the language is not prepared there.
        """
        return cls(language, folder, str(data.manifest(folder, language)["digest"]))

    @cached_property
    def split(self) -> Split:
        """Its captioned pictures."""
        return Split(data.read_rows(self.folder, "test", self.language), [(self.folder, "test")])

    @cached_property
    def queries(self) -> Queries:
        """Its captions as queries."""
        return queries(self.split.rows)

    @cached_property
    def names(self) -> dict[str, str]:
        """Each concept's name in the language: its first main caption."""
        found: dict[str, str] = {}
        for row in self.split.rows:
            found.setdefault(row.concept, row.captions[0])
        return found


class Subject:
    """What is put to a test: a finished run, or the base towers that runs start from.

    Args:
        about: record of the run, or of one that started from these towers.
        dual: the dual encoder, on the device where to compute; of base towers its projections mean nothing.
        eyes: the vision tower.
        dtype: precision of matrix products.
        trained: whether it is a run.
        progress: show progress bars.
    """

    def __init__(
        self,
        about: RunRecord,
        dual: DualEncoder,
        eyes: VisionTower,
        dtype: torch.dtype,
        trained: bool,
        progress: bool,
    ) -> None:
        self.about = about
        self.trained = trained
        self._dual = dual
        self._eyes = eyes
        self._dtype = dtype
        self._progress = progress

    def text(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Captions in the shared space: float32 of shape (n, dim), L2-normalized."""
        return np.asarray(encode_captions(self._dual, captions, self._dtype).numpy(), dtype=np.float32)

    def language_vectors(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """The text tower's own vectors: float32 of shape (n, text width), L2-normalized."""
        vectors = encode_captions(self._dual, captions, self._dtype, projected=False)
        return np.asarray(torch.nn.functional.normalize(vectors, dim=-1).numpy(), dtype=np.float32)

    def features(self, split: Split) -> NDArray[np.float32]:
        """The vision tower's features of a split's pictures, float32 of shape (rows, image width)."""
        device = self._dual.log_scale.device
        if self._dual.vision is None:
            eyes = self._eyes
            store = features.store_for(self.about.vision.sha256, eyes.preprocessing, eyes.width, self._dtype)
            if missing := set(split.image_ids) - set(store.place()):
                pictures = split.pictures(missing)
                features.ensure(store, eyes, pictures, len(missing), device, self._dtype, self._progress)
            found = store.read(split.image_ids)
        else:
            shown = Pictures(split)
            encoded = (shown[place] for place in range(len(shown)))
            found = torch.cat(list(features.encode(self._eyes, encoded, device, self._dtype)))
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

    def things(self, subject: RunRecord, languages: Sequence[str]) -> list[tuple[str, ...]]:
        """What it is put to, each by the languages whose data it asks."""
        ...

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Puts the subject to it, on one thing; nothing if the data cannot be asked."""
        ...


def refuse_trimmed(about: RunRecord, language: str) -> None:
    """Raises UserError for a language that a trimmed vocabulary has lost."""
    if about.config.trim_vocab and language not in about.config.languages:
        raise UserError(
            f"{about.name} was trained with --trim-vocab and knows the words of {', '.join(about.config.languages)} "
            f"alone: it cannot be asked in {language}. Train it without."
        )
