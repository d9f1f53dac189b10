"""An index that is open: asked by text, by picture or by vector."""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_prep import pictures as decoder
from data_prep.errors import UserError
from data_prep.pictures import PictureError
from mlilt import model
from mlilt.search import gallery as galleries
from mlilt.search import store
from mlilt.search.store import About, Rows
from mlilt.search.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture that was found.

    Attributes:
        rank: from 1.
        score: cosine similarity to the query.
        image_id: of its content.
        names: of the files that hold it: paths within the folder of pictures, or split and image id in a data set.
        caption: what is said of it, if anything.
        credit: whom to credit and its licence, if that is known.
    """

    rank: int
    score: float
    image_id: str
    names: tuple[str, ...]
    caption: str
    credit: str


class SearchIndex:
    """See the module's docstring; `open_index` makes one.

    Attributes:
        folder: where it lies.
        about: what it is of.
        run: the run's folder.
        pictures: the pictures' folder.
    """

    def __init__(self, folder: Path, about: About, vectors: Vectors, rows: Rows, run: Path, offline: bool) -> None:
        self.folder = folder
        self.about = about
        self.run = run
        self.pictures = folder / about.pictures
        self._vectors = vectors
        self._rows = rows
        self._offline = offline
        self._lock = threading.Lock()
        self._found: galleries.Gallery | None = None

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, image_id: str) -> bool:
        return bool(self._rows.showing(image_id))

    @cached_property
    def model(self) -> model.Model:
        """The run that encodes queries, loaded on first use."""
        found = model.load(self.run, offline=self._offline)
        if found.record.weights_sha256 != self.about.weights_sha256:
            raise UserError(
                f"The run {self.run} was trained again after {self.folder} was made. Bring the index up to date: "
                f"`{self._command}`."
            )
        return found

    @property
    def _command(self) -> str:
        """What brings the index up to date."""
        splits = "".join(f" --split {split}" for split in self.about.splits)
        return f"mlilt index {self.run} {self.pictures}{splits} --out {self.folder}"

    def search(self, query: str, top: int = 10, exact: bool = False, compiled: bool = False) -> list[Hit]:
        """The pictures that fit a text best.

        Args:
            query: a text in any language that the model knows.
            top: so many, or as many as there are.
            exact: compare with all, instead of those in the nearest lists.
            compiled: with the least delay a query; the first one waits until the text tower is compiled.

        Raises:
            UserError: the query is empty.
        """
        query = unicodedata.normalize("NFC", query).strip()
        if not query:
            raise UserError("The query is empty.")
        vector = self.model.encode_query(query) if compiled else self.model.encode_text([query])[0]
        return self.nearest(vector, top, exact)

    def search_image(self, picture: Image.Image | Path | bytes, top: int = 10, exact: bool = False) -> list[Hit]:
        """The pictures that look most like one, which need not be in the index.

        Raises:
            PictureError: it cannot be decoded.
        """
        return self.nearest(self.model.encode_image([picture])[0], top, exact)

    def nearest(self, vector: NDArray[np.float32], top: int = 10, exact: bool = False) -> list[Hit]:
        """The pictures nearest to a vector of the shared space, float32 of shape (dim,), L2-normalized."""
        keys, scores = self._vectors.nearest(vector[None], top, exact)[0]
        hits = []
        for rank, (key, score) in enumerate(zip(keys.tolist(), scores.tolist(), strict=True), start=1):
            rows = self._rows.showing(f"{key:016x}")
            first = rows[0].item
            names = tuple(row.item.name for row in rows)
            hits.append(Hit(rank, round(score, 4), first.image_id, names, first.caption, first.credit))
        return hits

    def vector(self, image_id: str) -> NDArray[np.float32]:
        """The vector of a picture of the index, float32 of shape (dim,); raises KeyError if it is not there."""
        found: NDArray[np.float32] = self._vectors.get(np.array([int(image_id, 16)], np.uint64))[0]
        return found

    def picture(self, image_id: str) -> bytes:
        """The encoded picture of an image id, as its file holds it.

        Raises:
            KeyError: there is none in the index.
            PictureError: its file is gone or cannot be read.
        """
        error: Exception = KeyError(image_id)
        for row in self._rows.showing(image_id):
            try:
                data = decoder.read(self._gallery.picture(row.item.name))
            except PictureError as found:
                error = found
            except UserError as found:
                error = PictureError(str(found))
            else:
                if decoder.image_id_of(data) == image_id:
                    return data
                error = PictureError("its file holds another picture now: bring the index up to date")
        raise error

    def path(self, hit: Hit) -> Path | None:
        """The first file of a hit; None in a data set, whose pictures lie within larger files."""
        return self.pictures / hit.names[0] if self.about.kind == "folder" else None

    @property
    def _gallery(self) -> galleries.Gallery:
        with self._lock:
            if self._found is None:
                self._found = galleries.find(self.pictures, self.about.splits)
            return self._found


def open_index(folder: Path | str, run: Path | str | None = None, offline: bool = False) -> SearchIndex:
    """Opens an index; its vectors stay on disk, mapped into memory.

    Args:
        folder: the index's.
        run: the run's folder, if it is no longer where it was when the index was made.
        offline: use only what is on this machine.

    Raises:
        UserError: no index there, or a damaged one.
    """
    folder = Path(folder)
    about = store.read_about(folder)
    while True:
        try:
            vectors = Vectors.open(store.check(folder, about.vectors))
            rows = Rows(store.check(folder, about.table))
            break
        except (UserError, OSError):
            # Another process may have just replaced it.
            if (now := store.read_about(folder)) == about:
                raise
            about = now
    return SearchIndex(folder, about, vectors, rows, Path(run) if run else folder / about.run, offline)


__all__ = ["Hit", "PictureError", "SearchIndex", "open_index"]
