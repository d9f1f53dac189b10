"""The user's own data: what its sources say of themselves, and the source of all tables in a single file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.errors import UserError
from data_prep.records import DropLog, Example
from data_prep.sources._base import ROOT, About, Pointed
from data_prep.sources._own_columns import CONFIG, NO_LICENCE, find_columns, roles
from data_prep.sources._own_language import Tongue
from data_prep.sources._own_rows import Part, walk
from data_prep.sources._own_tables import open_table


def about_own(title: str, pointed: Pointed, pictures: str) -> About:
    """What there is to say of a source of the user's own data."""
    return About(
        title=title,
        homepage="",
        licences=(NO_LICENCE,),
        citation="The user's own data.",
        pictures=pictures,
        pointed=pointed,
    )


def attribution_of(path: Path) -> str:
    """Whom to credit where the data says nothing: the file or folder by its name."""
    return path.absolute().name or "own data"


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table in one file, whose rows name pictures (Parquet may hold them) and captions.

    Attributes:
        name: the source's name, which is the kind of the file.
        title: of the kind, for people.
        columns: names of columns by role, as the user gave them; the others are told by their names.
    """

    name: str
    title: str
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def about(self) -> About:
        holds = " or hold the pictures themselves" if self.name == "parquet" else ""
        return about_own(
            f"Your own table in {self.title}",
            Pointed(
                "file",
                f"a {self.title} file whose columns name a picture (relative to the file's folder) and a caption",
            ),
            f"Files that the table names, relative to its folder{holds}.",
        )

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        path = files[ROOT]
        if CONFIG in roles(self.columns):
            raise UserError(f"--column {CONFIG}= is for --source hf: alone; {path} has no configurations.")
        table = open_table(path, self.name)
        tongue = Tongue(locale)
        columns = find_columns(table.columns, self.columns, tongue, str(path), table.pictures)
        part = Part(table, columns, path.parent, path.parent)
        yield from walk(self.name, [part], tongue, attribution_of(path), log)
