"""The user's own folder of pictures: --source folder:DIR.

The captions lie beside the pictures, dog.txt beside dog.jpg: the first line is the main caption, further lines are
further ones. Or they are in metadata.csv, metadata.jsonl or metadata.parquet, as in the Hub's ImageFolder. Folders
called train, validation (valid, val, dev) and test are splits; without metadata, other folders are categories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from data_prep.errors import UserError
from data_prep.picture_files import KINDS, SAVE_AS, UNREADABLE
from data_prep.picture_files import walk as walk_folders
from data_prep.records import DropLog, Example
from data_prep.sources._base import ROOT, About, Pointed
from data_prep.sources._own import about_own, attribution_of
from data_prep.sources._own_columns import NO_LICENCE, find_columns
from data_prep.sources._own_language import Tongue
from data_prep.sources._own_rows import Part, walk
from data_prep.sources._own_splits import decided, split_of
from data_prep.sources._own_tables import open_table

NAME = "folder"
NO_PICTURE_BESIDE = "there is no picture beside the caption"
NOT_UTF8 = "the caption is not UTF-8"

_METADATA = {"metadata.csv": "csv", "metadata.jsonl": "jsonl", "metadata.parquet": "parquet"}
_LAYOUT = (
    "a folder with pictures and, beside each, a text file of the same name (dog.jpg, dog.txt), or with metadata.csv or "
    "metadata.jsonl, whose column file_name names the picture and another one holds its caption"
)


def lines_of(data: bytes) -> tuple[str, ...]:
    """The captions of a text file, one a line, the first being the main one. Raises UnicodeDecodeError."""
    return tuple(dict.fromkeys(line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip()))


@dataclass(frozen=True, slots=True)
class Folder:
    """See the module's docstring.

    Attributes:
        columns: names of the metadata's columns by role, as the user gave them.
    """

    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def about(self) -> About:
        return about_own("Your own folder of pictures", Pointed("folder", _LAYOUT), "The files of the folder.")

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root = files[ROOT]
        if not root.is_dir():
            raise UserError(f"{root} is {'a file' if root.exists() else 'not there'}. {NAME} takes {_LAYOUT}.")
        tables: list[Path] = []
        splits: set[str] = set()
        categories: set[str] = set()
        pictures = 0
        for folder, names in walk_folders(root):
            tables += [folder / name for name in names if name in _METADATA]
            here = sum(name.lower().endswith(KINDS) for name in names)
            if here:
                pictures += here
                splits.add(split_of(folder.relative_to(root).parts))
                categories.add(_category(root, folder))
        if tables:
            yield from self._listed(root, tables, Tongue(locale), log)
        elif pictures:
            # A single folder, such as images/, sorts nothing.
            yield from _beside(root, decided(splits), len(categories - {""}) > 1, log)
        else:
            raise UserError(f"There is no picture in {root}. {NAME} takes {_LAYOUT}.")

    def _listed(self, root: Path, tables: list[Path], tongue: Tongue, log: DropLog) -> Iterator[Example]:
        """Pictures that metadata files name, each relative to its file."""
        kinds = {path.name for path in tables}
        if len(kinds) > 1:
            raise UserError(f"{root} has both {' and '.join(sorted(kinds))}. Keep those of one kind.")
        parts = []
        for path in tables:
            table = open_table(path, _METADATA[path.name])
            columns = find_columns(table.columns, self.columns, tongue, str(path), table.pictures)
            parts.append(Part(table, columns, root, path.parent, within=True))
        yield from walk(NAME, parts, tongue, attribution_of(root), log)


def _category(root: Path, folder: Path) -> str:
    """The folder's name, if it is neither the root nor a split's."""
    last = folder.relative_to(root).parts[-1:]
    return "" if split_of(last) else "".join(last)


def _beside(root: Path, own_splits: bool, categories: bool, log: DropLog) -> Iterator[Example]:
    """Pictures with the captions of the text files beside them."""
    attribution = attribution_of(root)
    for folder, names in walk_folders(root):
        inside = folder.relative_to(root)
        pictures = [name for name in names if name.lower().endswith(KINDS)]
        beside = {PurePath(name).stem: name for name in names if name.lower().endswith(".txt")}
        for stem in sorted(beside.keys() - {PurePath(name).stem for name in pictures}):
            log.drop(NAME, (inside / beside[stem]).as_posix(), NO_PICTURE_BESIDE)
        for name in names:
            if name.lower().endswith(UNREADABLE):
                log.drop(NAME, (inside / name).as_posix(), SAVE_AS)
        for name in pictures:
            path, stem = folder / name, PurePath(name).stem
            try:
                captions = lines_of((folder / beside[stem]).read_bytes()) if stem in beside else ()
            except UnicodeDecodeError:
                log.drop(NAME, (inside / name).as_posix(), NOT_UTF8, picture=path)
                continue
            yield Example(
                picture=path,
                captions=captions,
                concept=f"{NAME}-{(inside / stem).as_posix()}",
                source=NAME,
                category=_category(root, folder) if categories else "",
                licence=NO_LICENCE,
                attribution=attribution,
                split=split_of(inside.parts) if own_splits else "",
            )


SOURCE = Folder()
