"""What a source is: the contract each module in this folder fulfils."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data_prep.carriers import Resource
from data_prep.records import DropLog, Example


@dataclass(frozen=True, slots=True)
class About:
    """What a source is, whom to credit and what it needs.

    Attributes:
        title: for people.
        homepage: where it comes from.
        licences: SPDX identifiers of all that is in it.
        citation: how to cite it.
        pictures: how its pictures are had, in a sentence.
        resources: the files it reads, by the resource's name.
    """

    title: str
    homepage: str
    licences: tuple[str, ...]
    citation: str
    pictures: str
    resources: tuple[Resource, ...]


class Source(Protocol):
    """Reads its files and yields one Example for each picture it has.

    A picture without a caption in the language is yielded too, with no captions: which picture belongs to
    which concept is then settled alike for all languages, and a later step drops it by name and reason.
    """

    about: About

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        """Yields the source's pictures with captions in `locale` (the source's own code).

        Args:
            locale: the code under which the source files the language, from the language's file.
            files: for each resource's name the folder with its files.
            log: told of every item of the source that cannot be read.
        """
        ...
