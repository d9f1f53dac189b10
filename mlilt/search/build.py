"""Makes an index of pictures, and brings one up to date."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from data_prep import pictures as decoder
from data_prep.errors import UserError
from data_prep.pictures import CANNOT_BE_READ, PictureError
from data_prep.progress import bar
from mlilt import model, record
from mlilt.alignment.dual_encoder import DualEncoder
from mlilt.record import RunRecord
from mlilt.search import gallery as galleries
from mlilt.search import store
from mlilt.search.gallery import Gallery, Item
from mlilt.search.store import About, Row
from mlilt.search.vectors import Keys, Vectors
from mlilt.training import features
from mlilt.training.device import choose_device, choose_precision
from mlilt.training.features import FeatureStore

# Features that are projected at once.
_CHUNK = 32_768


@dataclass(frozen=True, slots=True)
class Built:
    """What was made, or found up to date.

    Attributes:
        folder: the index's.
        about: what it holds now.
        added, changed, removed: names of files that came, got another content, or went since it was made before.
        broken: files that cannot be read, with why.
        encoded: pictures that the vision tower was given; of the others there were features already.
        seconds: that it took.
    """

    folder: Path
    about: About
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    broken: tuple[tuple[str, str], ...]
    encoded: int
    seconds: float


def default(run: Path, pictures: Path) -> Path:
    """Where an index goes if nobody says: indexes/<pictures>-<run>."""
    return Path("indexes") / f"{pictures.absolute().name}-{run.absolute().name}"


def build(
    run: Path | str,
    pictures: Path | str,
    out: Path | str | None = None,
    splits: Sequence[str] = (),
    force: bool = False,
    device: str = "auto",
    offline: bool = False,
    progress: bool = True,
) -> Built:
    """Makes an index of pictures by a run's vision tower, or brings one up to date.

    Files whose size and times are those of before are taken to be the same; others are read, and known by their
    content. Features are kept in the shared cache: a build that was stopped goes on, and another run with the same
    frozen vision tower computes none anew.

    Args:
        run: a finished run's folder.
        pictures: a folder of pictures, or a prepared data set.
        out: the index's folder; `indexes/<pictures>-<run>` by default.
        splits: of a data set, only these.
        force: replace what an earlier build wrote there.
        device: auto, cpu or cuda.
        offline: use only what is on this machine.
        progress: show progress bars.

    Raises:
        UserError: no such run or pictures, none that can be read, or `out` holds something else.
    """
    run, root = Path(run), Path(pictures)
    about = record.read(run)
    gallery = galleries.find(root, splits)
    folder = Path(out) if out is not None else default(run, root)
    if folder.is_dir() and not store.ours(folder):
        raise UserError(f"{folder} is there already and is no index. Choose another --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"Another process is making {folder} right now. Wait for it, or choose another --out."
        ) from error
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        return _Build(run, about, gallery, folder, force, device, offline, progress).made()
    finally:
        lock.release()


def _unwritable(folder: Path, error: Exception) -> UserError:
    return UserError(
        f"{folder} cannot be written: {error}. What was there before is untouched. Free some space or choose another "
        "--out."
    )


class _Build:
    """One build, its folder locked."""

    def __init__(
        self,
        run: Path,
        about: RunRecord,
        gallery: Gallery,
        folder: Path,
        force: bool,
        device: str,
        offline: bool,
        progress: bool,
    ) -> None:
        self.run = run
        self.about = about
        self.gallery = gallery
        self.folder = folder
        self.force = force
        self.device = choose_device(device)
        self.dtype = choose_precision("auto", self.device)
        self.offline = offline
        self.progress = progress
        self.started = time.monotonic()

    def made(self) -> Built:
        was = None if self.force else self._earlier()
        before = {} if was is None else {row.item.name: row for row in store.Rows(self._part(was, "table"))}
        items = list(self.gallery.items())
        same = was is not None and was.weights_sha256 == self.about.weights_sha256
        if was is not None and same and _unchanged(items, before):
            self._part(was, "vectors")
            return self._built(was, list(before.values()), before, 0)
        # Vectors of other weights are of no use.
        kept = Vectors.open(self._part(was, "vectors")) if was is not None and same else None
        vectors = kept if kept is not None else Vectors.empty(self.about.config.dim)
        known = {row.item.image_id for row in before.values() if not row.problem} if same else set()
        rows, encoded = self._update(items, before, known, vectors)
        if not len(vectors):
            raise UserError(self._nothing(rows))
        try:
            now = store.write(
                self.folder,
                vectors,
                rows,
                changed=datetime.now(UTC).isoformat(timespec="seconds"),
                run=store.beside(self.folder, self.run),
                weights_sha256=self.about.weights_sha256,
                name=self.about.name,
                languages=self.about.config.languages,
                kind=self.gallery.kind,
                pictures=store.beside(self.folder, self.gallery.root),
                splits=self.gallery.splits,
            )
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        return self._built(now, rows, before, encoded)

    def _earlier(self) -> About | None:
        """What is there to be brought up to date."""
        if not (self.folder / store.ABOUT).exists():
            return None
        was = store.read_about(self.folder)
        for what, now in (("run", self.run), ("pictures", self.gallery.root)):
            named = getattr(was, what)
            if (self.folder / named).resolve() != now.resolve():
                raise UserError(
                    f"{self.folder} is an index of other {what} ({self.folder / named}). Choose another --out, or "
                    "--force."
                )
        if was.splits != self.gallery.splits:
            raise UserError(
                f"{self.folder} is an index of the splits {', '.join(was.splits)}. Choose another --out, or --force."
            )
        return was

    def _part(self, about: About, part: str) -> Path:
        return store.check(self.folder, getattr(about, part))

    def _update(
        self, items: Sequence[Item], before: dict[str, Row], known: set[str], vectors: Vectors
    ) -> tuple[list[Row], int]:
        """Brings the vectors up to date; gives all rows, and how many pictures were encoded."""
        _, dual, eyes = model.restore(self.run, self.device, self.dtype, self.offline, self.progress)
        trained = bool(self.about.trained.vision)
        # A tower that was trained is nobody else's.
        weights = self.about.weights_sha256 if trained else self.about.vision.sha256
        cache = features.store_for(weights, eyes.preprocessing, eyes.width, self.dtype)
        reading = _Reading(self.gallery, before, known | cache.place().keys(), self.progress)
        encoded = features.ensure(
            cache, eyes, reading.unknown(items), len(items), self.device, self.dtype, False, reading.lose
        )
        rows = reading.rows()
        wanted = dict.fromkeys(row.item.image_id for row in rows if not row.problem)
        vectors.remove(_keys([image_id for image_id in known if image_id not in wanted]))
        new = [image_id for image_id in wanted if image_id not in known]
        with bar("Indexing", len(new), unit="pictures", show=self.progress and bool(new)) as running:
            for start in range(0, len(new), _CHUNK):
                part = new[start : start + _CHUNK]
                vectors.add(_keys(part), _project(dual, cache, part))
                running.advance(len(part))
        return rows, encoded - len(reading.lost)

    def _nothing(self, rows: Sequence[Row]) -> str:
        if not rows:
            return f"There is no picture in {self.gallery.root}."
        first = rows[0]
        return f"None of {len(rows)} files in {self.gallery.root} can be read: {first.item.name}: {first.problem}, ..."

    def _built(self, about: About, rows: Sequence[Row], before: dict[str, Row], encoded: int) -> Built:
        now = {row.item.name: row for row in rows}
        return Built(
            self.folder,
            about,
            tuple(name for name in now if name not in before),
            tuple(name for name in now if name in before and now[name].item.image_id != before[name].item.image_id),
            tuple(name for name in before if name not in now),
            tuple((name, row.problem) for name, row in now.items() if row.problem),
            encoded,
            time.monotonic() - self.started,
        )


def _unchanged(items: Sequence[Item], before: dict[str, Row]) -> bool:
    """Whether the files are those of before, in their order, and no reading of one should be tried again."""
    if len(items) != len(before) or any(row.problem.startswith(CANNOT_BE_READ) for row in before.values()):
        return False
    return all(
        item.name == name and item.stamp == row.item.stamp and item.image_id in ("", row.item.image_id)
        for item, (name, row) in zip(items, before.items(), strict=True)
    )


class _Reading:
    """Goes through a gallery, and reads what it must.

    Args:
        gallery: where the pictures are.
        before: rows of the index as it was.
        known: image ids of which there are vectors or features.
        progress: show a progress bar.
    """

    def __init__(self, gallery: Gallery, before: dict[str, Row], known: set[str], progress: bool) -> None:
        self._gallery = gallery
        self._before = before
        self._known = known
        self._progress = progress
        self._rows: list[Row] = []
        self.lost: dict[str, str] = {}

    def unknown(self, items: Sequence[Item]) -> Iterator[tuple[str, bytes]]:
        """Pictures of which there is nothing yet, each content once, with their ids."""
        seen = set(self._known)
        with bar("Reading and encoding pictures", len(items), unit="files", show=self._progress) as running:
            for item in items:
                running.advance()
                was = self._before.get(item.name)
                unchanged = was is not None and was.item.stamp == item.stamp
                image_id = item.image_id or (was.item.image_id if was is not None and unchanged else "")
                if was is not None and unchanged and was.problem and not was.problem.startswith(CANNOT_BE_READ):
                    self._rows.append(was)
                elif image_id and image_id in seen:
                    self._rows.append(Row(item._replace(image_id=image_id)))
                else:
                    try:
                        data = decoder.read(self._gallery.picture(item.name))
                    except PictureError as error:
                        self._rows.append(Row(item, str(error)))
                        continue
                    image_id = item.image_id or decoder.image_id_of(data)
                    self._rows.append(Row(item._replace(image_id=image_id)))
                    if image_id not in seen:
                        seen.add(image_id)
                        yield image_id, data

    def lose(self, image_id: str, error: PictureError) -> None:
        """Takes note of a picture that cannot be decoded."""
        self.lost[image_id] = str(error)

    def rows(self) -> list[Row]:
        """All that were gone through, in order."""
        return [
            Row(row.item, self.lost[row.item.image_id]) if row.item.image_id in self.lost else row for row in self._rows
        ]


def _keys(image_ids: Sequence[str]) -> Keys:
    """Image ids, 16 hex digits each, as numbers."""
    return np.array([int(image_id, 16) for image_id in image_ids], np.uint64)


def _project(dual: DualEncoder, cache: FeatureStore, image_ids: Sequence[str]) -> NDArray[np.float32]:
    # In float64, so that a vector does not depend on those that it is computed with, which differ from build to build.
    projection = copy.deepcopy(dual.image_projection).cpu().double()
    with torch.inference_mode():
        return np.asarray(projection(cache.read(image_ids)).numpy(), np.float32)
