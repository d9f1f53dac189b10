"""What a source is: the contract each module in this folder fulfils."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from data_prep.carriers import Resource
from data_prep.records import DropLog, Example

ROOT = "root"


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set on the Hub.

    Attributes:
        repo: its id.
        revision: the commit it is pinned to.
        patterns: its files that are needed, "{locale}" standing for the source's code of the language.
        gated: True if its terms must be accepted first.
    """

    repo: str
    revision: str
    patterns: tuple[str, ...]
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Pointed:
    """A source whose files the user points to.

    Attributes:
        kind: a folder, a file, shards (files by a pattern such as "train-{000..099}.tar") or the id of a data set on
            the Hub (a folder with a copy of one will do too).
        layout: what lies there, in a sentence: errors show it.
        hub: where it is had from when the user points nowhere; None: the user must.
    """

    kind: Literal["folder", "file", "shards", "hub"]
    layout: str
    hub: Hub | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What a source is, whom to credit and what it needs.

    Attributes:
        title: for people.
        homepage: where it comes from; empty for the user's own data.
        licences: SPDX identifiers of all that is in it; "LicenseRef-..." where there is none.
        citation: how to cite it.
        pictures: how its pictures are had, in a sentence.
        resources: the files that carriers bring, by the resource's name.
        locales: the source's own codes of its languages; none: any language, or those found in its resources.
        pointed: for a source whose files the user points to; it gets them as `files["root"]`.
    """

    title: str
    homepage: str
    licences: tuple[str, ...]
    citation: str
    pictures: str
    resources: tuple[Resource, ...] = ()
    locales: tuple[str, ...] = ()
    pointed: Pointed | None = None


class Source(Protocol):
    """Reads its files and yields one Example for each picture it has.

    A picture without a caption in the language is yielded too, with no captions: which picture belongs to
    which concept is then settled alike for all languages, and a later step drops it by name and reason.
    """

    @property
    def about(self) -> About: ...

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        """Yields the source's pictures with captions in `locale` (the source's own code), always in the same order.

        Args:
            locale: the code under which the source files the language, from the language's file.
            files: for each resource's name the folder with its files; under "root" what the user points to.
            log: told of every item of the source that cannot be read.

        Raises:
            UserError: what the user points to is not what the source expects; the message shows its layout.
        """
        ...
