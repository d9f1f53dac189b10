"""An index as a server holds it: open, warm, and opened anew once it was brought up to date."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from PIL import Image

from data_prep.errors import UserError
from mlilt.search import SearchIndex, open_index
from mlilt.search.store import ABOUT

# How often a changed index is looked for, in seconds.
_LOOK_S = 1.0
_LOG = logging.getLogger(__name__)


class Served:
    """One index under a name.

    Args:
        name: what it is called.
        folder: where it lies.
        run: the run's folder, if it is not where the index says.
        offline: use only what is on this machine.

    Raises:
        UserError: there is no index, or its run is not there.
    """

    def __init__(self, name: str, folder: Path, run: Path | None = None, offline: bool = False) -> None:
        self.name = name
        self._folder = folder
        self._run = run
        self._offline = offline
        self._lock = threading.Lock()
        self._written = self._stamp()
        self._index = self._open()
        self._looked = time.monotonic()

    def current(self) -> SearchIndex:
        """The index as it is on disk, or as it was a moment ago; a state that cannot be opened is passed over."""
        if time.monotonic() - self._looked > _LOOK_S and self._lock.acquire(blocking=False):
            try:
                self._looked = time.monotonic()
                if (written := self._stamp()) != self._written:
                    self._index = self._open()
                    self._written = written
                    _LOG.info("%s was brought up to date: %s pictures", self.name, f"{len(self._index):,}")
            except (UserError, OSError) as error:
                _LOG.warning("%s stays as it was: %s", self.name, error)
            finally:
                self._lock.release()
        return self._index

    def _open(self) -> SearchIndex:
        opened = open_index(self._folder, self._run, self._offline)
        before: SearchIndex | None = getattr(self, "_index", None)
        if before is not None and before.about.weights_sha256 == opened.about.weights_sha256:
            opened.model = before.model
        # What is compiled on first use should not be compiled while a user waits, nor by several threads at once.
        opened.model.encode_query(self.name)
        opened.model.encode_image([Image.new("RGB", (8, 8))])
        return opened

    def _stamp(self) -> tuple[int, int]:
        try:
            told = (self._folder / ABOUT).stat()
        except FileNotFoundError:
            return (0, 0)
        return (told.st_mtime_ns, told.st_ino)


def name_all(folders: list[Path]) -> list[str]:
    """A name for each index: its folder's, with a number where that is another's already."""
    names: list[str] = []
    for folder in folders:
        base = folder.absolute().name
        name, number = base, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names
