"""What a run is trained and evaluated on: the prepared data of one language or several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from data_prep.errors import UserError
from mlilt import data
from mlilt.config import RunConfig
from mlilt.data import Row


@dataclass(frozen=True)
class Split:
    """Captioned pictures of one split.

    Attributes:
        rows: one for each picture and language.
        folders: where the pictures' bytes are: (data set's folder, split) of each language.
    """

    rows: list[Row]
    folders: list[tuple[Path, str]]

    @cached_property
    def image_ids(self) -> list[str]:
        """The pictures, each once, in order of first appearance."""
        return list(dict.fromkeys(row.image_id for row in self.rows))

    @cached_property
    def image(self) -> Tensor:
        """For each row the place of its picture in `image_ids`; int64 of shape (rows,)."""
        place = {image_id: n for n, image_id in enumerate(self.image_ids)}
        return torch.tensor([place[row.image_id] for row in self.rows], dtype=torch.int64)

    def pictures(self, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
        """(image id, encoded picture) of `wanted` image ids, each once."""
        left = set(wanted)
        for folder, split in self.folders:
            for image_id, picture in data.read_pictures(folder, split, wanted):
                if image_id in left:
                    left.discard(image_id)
                    yield image_id, picture


@dataclass(frozen=True)
class Corpus:
    """The data of a run.

    Attributes:
        train: of all languages together.
        validation, test: of each language.
        sha256: tells whether it is the same data, hex.
        pictures: numbers of captioned pictures by split, over all languages: of the data sets, whatever is left out.
    """

    train: Split
    validation: dict[str, Split]
    test: dict[str, Split]
    sha256: str
    pictures: dict[str, int]

    def texts(self) -> list[str]:
        """All captions and keywords of all splits, the English ones too, each once."""
        splits = [self.train, *self.validation.values(), *self.test.values()]
        return data.texts(row for split in splits for row in split.rows)


def digest(config: RunConfig) -> str:
    """Tells whether it is the same data, hex; without reading it.

    Raises:
        UserError: a language is not prepared.
    """
    found = [str(data.manifest(config.data_folder(code), code)["digest"]) for code in config.languages]
    return found[0] if len(found) == 1 else hashlib.sha256(" ".join(found).encode()).hexdigest()


def read(config: RunConfig) -> Corpus:
    """Reads captions and labels of all languages; the pictures stay on disk.

    Raises:
        UserError: a language is not prepared, its files are damaged, or it is too small to train or test on.
    """
    splits: dict[str, dict[str, Split]] = {split: {} for split in data.SPLITS}
    pictures: dict[str, int] = {}
    for code in config.languages:
        folder = config.data_folder(code)
        for split, count in data.manifest(folder, code)["pictures"].items():
            pictures[split] = pictures.get(split, 0) + count
        for split in data.SPLITS:
            rows = data.read_rows(folder, split, code)
            if split != "validation" and len({row.concept for row in rows}) < 2:
                raise UserError(f"{folder} has fewer than two concepts in its {split} split. Prepare more of them.")
            if split == "train":
                rows = _asked_for(rows, config, folder)
            splits[split][code] = Split(rows, [(folder, split)])
    return Corpus(
        joined(list(splits["train"].values())), splits["validation"], splits["test"], digest(config), pictures
    )


def _asked_for(rows: list[Row], config: RunConfig, folder: Path) -> list[Row]:
    """The rows of a training split that the settings leave in it."""
    if unknown := set(config.held_out) - (known := {row.category for row in rows}):
        raise UserError(
            f"{folder} has no category {', '.join(sorted(unknown))} to be held out. Known: {', '.join(sorted(known))}."
        )
    rows = data.without(rows, config.held_out)
    return rows if config.concepts is None else data.fewer(rows, config.concepts, config.seed)


def joined(splits: Sequence[Split]) -> Split:
    """All of several splits as one."""
    return Split(
        [row for split in splits for row in split.rows], [folder for split in splits for folder in split.folders]
    )
