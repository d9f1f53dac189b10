"""One store of decoded pictures for several data sets: each picture is decoded once and lies on disk once."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from data_prep.errors import UserError
from data_prep.pictures import Canonical, PictureError

_INDEX = "index.sqlite"


def relative(image_id: str, suffix: str) -> str:
    """Where a picture lies below a store's folder."""
    return f"{image_id[:2]}/{image_id}.{suffix}"


class Store:
    """Pictures as files named by their content, and an index from what was decoded to what came of it.

    Any number of processes may use one at once. A killed process leaves at most a file that is not in the index yet.

    Args:
        folder: made if it is not there.

    Raises:
        UserError: the folder cannot be written, or its index is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._local = threading.local()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as index, index:
                columns = "key text primary key, id text, suffix text, look blob, why text"
                index.execute(f"create table if not exists known ({columns})")
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"Pictures cannot be kept in {folder}: {error}. Choose another --images, or clear that folder."
            ) from error

    def find(self, key: str) -> Canonical | PictureError | None:
        """What came of a picture; `data` is left empty, for it lies in the store. None if it is not known."""
        row = self._index().execute("select id, suffix, look, why from known where key = ?", (key,)).fetchone()
        if row is None:
            return None
        image_id, suffix, look, why = row
        if why:
            return PictureError(why)
        # Somebody may have cleared pictures away.
        if not (self.folder / relative(image_id, suffix)).exists():
            return None
        return Canonical(b"", suffix, image_id, look)

    def keep(self, key: str, found: Canonical | PictureError) -> None:
        """Writes the picture, then notes what came of it."""
        row: tuple[str, str, str, bytes, str]
        if isinstance(found, PictureError):
            row = (key, "", "", b"", str(found))
        else:
            path = self.folder / relative(found.image_id, found.suffix)
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
                partial.write_bytes(found.data)
                partial.replace(path)
            row = (key, found.image_id, found.suffix, found.look, "")
        with self._index() as index:
            index.execute("insert or ignore into known values (?, ?, ?, ?, ?)", row)

    def _connect(self) -> sqlite3.Connection:
        index = sqlite3.connect(self.folder / _INDEX, timeout=60)
        index.execute("pragma journal_mode = wal")
        # It is a cache: what a power cut takes from it is decoded anew.
        index.execute("pragma synchronous = off")
        return index

    def _index(self) -> sqlite3.Connection:
        # A connection belongs to its thread.
        if not hasattr(self._local, "index"):
            self._local.index = self._connect()
        connection: sqlite3.Connection = self._local.index
        return connection
