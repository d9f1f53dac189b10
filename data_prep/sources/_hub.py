"""Reads data sets as the Hub publishes them: Parquet files, with the pictures in a column of their own.

- `rows`: walks Parquet files without reading their pictures.
- `Tables`: a source whose data set has one file (one split) a language.

A picture is yielded as `Cell(path, row, "image")`, so that it is read when it is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UserError
from data_prep.records import Cell, DropLog, Example
from data_prep.sources._base import About
from data_prep.sources._layout import DAMAGED_FILE, captions, layout_error, open_root

_BATCH = 1024
_POINTER = b"version https://git-lfs"

# The name that `datasets` gives a split's files: data/sw-00000-of-00002.parquet, at times with a digest behind.
SPLIT_FILES = "data/{locale}-[0-9][0-9][0-9][0-9][0-9]-of-*.parquet"


def shards(folder: Path, pattern: str) -> list[Path]:
    """Files of `folder` that match a glob, sorted. They are also found if the user points into the data/ folder."""
    return sorted(folder.glob(pattern)) or sorted(folder.glob(pattern.removeprefix("data/")))


def rows(
    folder: Path, pattern: str, columns: Sequence[str], source: str, log: DropLog
) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """Yields (path, row number in its file from 0, values of `columns`) of all Parquet files that match, in order.

    A column inside a struct is named with a dot ("caption.text") and comes as {"caption": {"text": ...}}. Other columns
    are not read: with (path, row) a picture is `Cell(path, row, "image")`. Memory holds some thousand rows. A file that
    is cut or damaged goes to the log, and the rest goes on. No file that matches: nothing is yielded.

    Raises:
        UserError: a file lacks one of the columns, or is only Git LFS's pointer to the data.
    """
    import pyarrow.parquet as pq

    from data_prep.arrow import READ_ERRORS, has_bytes

    for path in shards(folder, pattern):
        try:
            with path.open("rb") as start:
                if start.read(len(_POINTER)) == _POINTER:
                    raise UserError(f"{path} is only Git LFS's pointer to the data. Run `git lfs pull` in its folder.")
            number = 0
            with pq.ParquetFile(path) as file:
                names = file.schema_arrow.names
                missing = [c for c in columns if c.split(".")[0] not in names]
                if missing:
                    raise UserError(f"{path} has no column {', '.join(missing)}; it has {', '.join(names)}.")
                for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns), use_threads=False):
                    # One flipped bit in the file's footer turns a column of text into one of bytes, lists of it too.
                    if any(has_bytes(column.type) for column in batch.schema):
                        log.drop(source, path.name, DAMAGED_FILE)
                        break
                    for row in batch.to_pylist():
                        yield path, number, row
                        number += 1
        except READ_ERRORS:
            log.drop(source, path.name, DAMAGED_FILE)


@dataclass(frozen=True, slots=True)
class Tables:
    """A source of the Hub with one split a language, every row being a picture with its captions.

    Attributes:
        name: the source's name.
        about: what it is; `about.pointed.layout` is shown in errors.
        licence: of each Example.
        attribution: of each Example.
        files: glob of a language's files, "{locale}" standing for the language.
        id, captions, image: its columns; captions may be lists or single strings.
        english: code of the language whose captions become captions_en; "" if there is none.
        split: the official split; "test" where it is made for evaluation.
    """

    name: str
    about: About
    licence: str
    attribution: str
    files: str = SPLIT_FILES
    id: str = "image_id"
    captions: str = "captions"
    image: str = "image"
    english: str = "en"
    split: str = "test"

    def found(self, root: Path) -> bool:
        """Whether the folder has such files, of any language."""
        return bool(shards(root, self.files.format(locale="*")))

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        """Yields an Example for each row of the language's files. A row without an id goes to the log.

        Raises:
            UserError: the folder has no such files.
        """
        root = open_root(self.name, self.about, locale, files)
        pattern = self.files.format(locale=locale)
        if not shards(root, pattern):
            raise layout_error(self.name, self.about, root, f"there is no {pattern}")
        english = self._english(root, locale, log)
        for path, number, row in rows(root, pattern, (self.id, self.captions), self.name, log):
            key = row[self.id]
            if key is None or key == "":
                log.drop(self.name, f"{path.name}:{number}", "the row has no image id")
                continue
            own = captions(row[self.captions])
            yield Example(
                picture=Cell(path, number, self.image),
                captions=own,
                captions_en=own if locale == self.english else english.get(str(key), ()),
                concept=f"{self.name}-{key}",
                source=self.name,
                licence=self.licence,
                attribution=self.attribution,
                split=self.split,
            )

    def _english(self, root: Path, locale: str, log: DropLog) -> dict[str, tuple[str, ...]]:
        """Captions in English by image id; empty if their file is not there."""
        if not self.english or locale == self.english:
            return {}
        table = rows(root, self.files.format(locale=self.english), (self.id, self.captions), self.name, log)
        return {str(row[self.id]): captions(row[self.captions]) for _, _, row in table}
