"""The user's own data set of the Hub, or a folder with a copy of one: --source hf:ID.

The library `datasets` says which files belong to which split. Of Parquet files no picture is read here; data sets of
other kinds are streamed through the library, which gives the pictures' bytes or their files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.errors import UnknownNameError, UserError
from data_prep.records import DropLog, Example
from data_prep.sources._base import ROOT, About, Pointed
from data_prep.sources._own import about_own, attribution_of
from data_prep.sources._own_columns import CONFIG, find_columns, roles
from data_prep.sources._own_language import Tongue
from data_prep.sources._own_rows import Part, walk
from data_prep.sources._own_splits import split_of
from data_prep.sources._own_tables import Cells, ParquetTable, Table

NAME = "hf"
_LAYOUT = "the id of a data set on the Hub, or a folder with a copy of one, that `datasets.load_dataset` reads"


@contextmanager
def _library(what: str, remedy: str) -> Iterator[None]:
    """Turns what the library raises, which is of many kinds, into a UserError that names what it read."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        # Of a damaged length most of all.
        if isinstance(error, MemoryError):
            said = "it asks for more memory than there is"
        raise UserError(f"The library datasets cannot read {what}: {said}. {remedy}") from error


class _Streamed:
    """A split as the library streams it; pictures come as {bytes, path}, not decoded."""

    twice = False

    def __init__(self, builder: Any, split: str, path: Path) -> None:
        import datasets

        self._guard = partial(_library, f"the split {split} of {path.parent}", "Mend its files, or get it once more.")
        with self._guard():
            rows = builder.as_streaming_dataset(split=split)
            if rows.features is None:
                rows = rows._resolve_features()
        features = rows.features
        self.path = path
        self.columns = tuple(features)
        self.pictures = tuple(name for name, kind in features.items() if isinstance(kind, datasets.Image))
        for name in self.pictures:
            rows = rows.cast_column(name, datasets.Image(decode=False))
        self._labels = {name: kind for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)}
        self._rows = rows

    def rows(self, wanted: Sequence[str]) -> Iterator[tuple[int, Cells]]:
        with self._guard():
            for number, row in enumerate(self._rows.select_columns(list(wanted))):
                for name, labels in self._labels.items():
                    if row.get(name) is not None:
                        row[name] = labels.int2str(row[name])
                yield number, row


@dataclass(frozen=True, slots=True)
class Hf:
    """See the module's docstring.

    Attributes:
        columns: names of columns by role, as the user gave them; also config=NAME, one of its configurations.
    """

    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def about(self) -> About:
        return about_own("Your own data set of the Hub", Pointed("hub", _LAYOUT), "Those of the data set.")

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        root, tongue = files[ROOT], Tongue(locale)
        if not root.is_dir():
            raise UserError(f"{root} is {'a file' if root.exists() else 'not there'}. {NAME} takes {_LAYOUT}.")
        builder = _builder(root, roles(self.columns).get(CONFIG, ""), tongue)
        tables = list(_tables(builder, root, tongue))
        parts = []
        for split, table in tables:
            columns = find_columns(table.columns, self.columns, tongue, str(root), table.pictures)
            parts.append(Part(table, columns, root, root, within=True, split=split_of([split])))
        yield from walk(NAME, parts, tongue, _repository(root) or attribution_of(root), log)


def _repository(root: Path) -> str:
    """The data set's id, if the folder is the Hub's own cache of it: datasets--owner--name/snapshots/COMMIT."""
    kind, *names = root.absolute().parent.parent.name.split("--")
    return "/".join(names) if kind == "datasets" and root.absolute().parent.name == "snapshots" else ""


def _builder(root: Path, config: str, tongue: Tongue) -> Any:
    """The library's builder of the data set's configuration. Reads no data."""
    import datasets

    with _library(str(root), f"{NAME} takes {_LAYOUT}."):
        names = datasets.get_dataset_config_names(str(root))
        if config and config not in names:
            raise UnknownNameError(f"configuration of {root}", config, names, "Mend --column config=.")
        if not config and len(names) > 1:
            near = next((name for name in names if tongue.is_named(name)), names[0])
            raise UserError(
                f"{root} has {len(names)} configurations: {', '.join(names)}. Choose one: --column config={near}"
            )
        return datasets.load_dataset_builder(str(root), config or names[0])


def _tables(builder: Any, root: Path, tongue: Tongue) -> Iterator[tuple[str, Table]]:
    """Each split's name with its tables. Where splits are languages, those in the language alone."""
    from datasets.packaged_modules.parquet.parquet import Parquet

    files = {str(split): list(paths) for split, paths in (builder.config.data_files or {}).items()}
    spoken = [split for split in files if not split_of([split]) and tongue.is_named(split)]
    for split in spoken or files:
        if isinstance(builder, Parquet):
            for path in files[split]:
                yield split, ParquetTable(Path(path))
        else:
            yield split, _Streamed(builder, split, root / split)


SOURCE = Hf()
