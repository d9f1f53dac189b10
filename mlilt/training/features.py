"""Features of a frozen vision tower, computed once for each picture and kept on disk for all runs.

One folder for each (vision weights, preprocessing, precision, versions): `features.f16` holds float16 rows one after
the other, `ids.txt` the image id of each row and its CRC-32. Rows are only ever appended, features before ids, so that
a killed process leaves at most a tail without ids, which the next one cuts off. A row that is not what was written is
computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from data_prep.carriers import cache_folder
from data_prep.errors import UserError
from data_prep.pictures import PictureError
from data_prep.progress import bar
from mlilt.towers.inference import for_inference
from mlilt.towers.vision import VisionTower
from mlilt.training.device import installed

# On a CPU small batches stay in its caches; the size is fixed so that a picture's features do not depend on what
# it is encoded with.
_BATCH = {"cpu": 4, "cuda": 128}
_APPEND_EVERY = 512
_WAITING = 1024
# What decodes pictures and computes their features.
_MAKERS = ("pillow", "torchvision", "timm", "torch", "openvino")


class _Read(NamedTuple):
    """What was read of a store: both files' sizes, what they are without a killed process's tail, and the rows.

    Attributes:
        rows: how many there are, those that are damaged too.
        place: the row of each image id whose features are what was written.
    """

    sizes: tuple[int, int]
    whole: tuple[int, int]
    rows: int
    place: dict[str, int]


class FeatureStore:
    """Features on disk, by image id.

    Args:
        folder: where they are kept.
        width: size of a feature vector.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self.width = width
        self._lock = FileLock(folder / ".lock")
        self._last = _Read((0, 0), (0, 0), 0, {})

    def place(self) -> dict[str, int]:
        """Row of each image id. What a killed process left half written is not counted, nor what is damaged."""
        if (sizes := self._sizes()) != self._last.sizes:
            file = self.folder / "ids.txt"
            told = file.read_bytes() if file.exists() else b""
            lines = told[: told.rfind(b"\n") + 1].splitlines()[: self._stored()]
            whole = (2 * self.width * len(lines), sum(len(line) + 1 for line in lines))
            # What was read before is not read again; other processes only append.
            known = self._last.rows if self._last.rows <= len(lines) else 0
            place = dict(self._last.place) if known else {}
            table = self._table() if len(lines) > known else None
            for row in range(known, len(lines)):
                image_id, _, sum_ = lines[row].decode("ascii", "replace").partition(" ")
                if table is not None and sum_ == _sum(image_id, table[row]):
                    place[image_id] = row
            self._last = _Read(sizes, whole, len(lines), place)
        return self._last.place

    @contextlib.contextmanager
    def computing(self, image_ids: Iterable[str]) -> Iterator[set[str]]:
        """Which of these are missing, for whoever computes them; who waits meanwhile finds them there.

        Raises:
            UserError: some are missing, and the cache cannot be written.
        """
        wanted = set(image_ids)
        # A cache that holds all may be one that only others may write.
        if wanted <= self.place().keys():
            yield set()
            return
        lock = FileLock(self.folder / ".computing")
        try:
            lock.acquire()
        except OSError as error:
            raise unwritable("feature", error) from error
        try:
            yield wanted - self.place().keys()
        finally:
            lock.release()

    def read(self, image_ids: Sequence[str]) -> Tensor:
        """Features in the order asked for: float32 of shape (n, width).

        Raises:
            UserError: some are not there, as after the cache was emptied.
        """
        place = self.place()
        if lacking := [i for i in image_ids if i not in place]:
            raise UserError(
                f"Features of {len(lacking):,} pictures are gone from {self.folder}. Give the same command again, with "
                "--resume if it trains: they are computed anew."
            )
        rows = [place[i] for i in image_ids]
        if not rows:
            return torch.empty(0, self.width)
        return torch.from_numpy(self._table()[rows].astype(np.float32))

    def append(self, image_ids: Sequence[str], features: Tensor) -> None:
        """Adds rows; image ids that another process has added meanwhile, or that come twice, are left out.

        Raises:
            UserError: the cache cannot be written.
        """
        try:
            with self._lock:
                place = self.place()
                # Cut what has no partner in the other file, then append: features first.
                if self._last.sizes != self._last.whole:
                    self._cut(self._last.rows)
                new = {image_id: n for n, image_id in enumerate(image_ids) if image_id not in place}
                rows = features[list(new.values())].to(torch.float16).contiguous().numpy()
                with self._features.open("ab") as file:
                    file.write(rows.tobytes())
                    file.flush()
                    os.fsync(file.fileno())
                with (self.folder / "ids.txt").open("a", encoding="ascii") as file:
                    file.write(
                        "".join(f"{image_id} {_sum(image_id, row)}\n" for image_id, row in zip(new, rows, strict=True))
                    )
                    file.flush()
                    os.fsync(file.fileno())
                place.update({image_id: row for row, image_id in enumerate(new, start=self._last.rows)})
                self._last = _Read(self._sizes(), self._sizes(), self._last.rows + len(new), place)
        except OSError as error:
            raise unwritable("feature", error) from error

    def _table(self) -> NDArray[np.float16]:
        return np.memmap(self._features, np.float16, "r", shape=(self._stored(), self.width))

    def _sizes(self) -> tuple[int, int]:
        """Of both files, in bytes."""
        paths = (self._features, self.folder / "ids.txt")
        features, ids = (path.stat().st_size if path.exists() else 0 for path in paths)
        return features, ids

    @property
    def _features(self) -> Path:
        return self.folder / "features.f16"

    def _stored(self) -> int:
        return self._features.stat().st_size // (2 * self.width) if self._features.exists() else 0

    def _cut(self, rows: int) -> None:
        if self._features.exists():
            os.truncate(self._features, rows * 2 * self.width)
        ids = self.folder / "ids.txt"
        if ids.exists():
            lines = ids.read_bytes().split(b"\n")[:rows]
            os.truncate(ids, sum(len(line) + 1 for line in lines))


def _sum(image_id: str, row: NDArray[np.float16]) -> str:
    """CRC-32 of an image id and its row, hex: whether both are what was written."""
    return f"{zlib.crc32(row.tobytes(), zlib.crc32(image_id.encode())):08x}"


def store_for(sha256: str, preprocessing: str, width: int, dtype: torch.dtype) -> FeatureStore:
    """The store of one (vision weights, preprocessing, precision) in the shared cache.

    Each version of what decodes and computes has its own: their last bits differ, and a run says what it was made with.

    Raises:
        UserError: the cache folder cannot be written.
    """
    about = {"weights": sha256, "preprocessing": preprocessing, "width": width, "precision": str(dtype), "format": 3}
    about |= installed(_MAKERS)
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache_folder() / "features" / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "about.json").exists():
            (folder / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    except OSError as error:
        raise unwritable("feature", error) from error
    return FeatureStore(folder, width)


def unwritable(what: str, error: OSError) -> UserError:
    """What to say of a part of the cache that cannot be written."""
    return UserError(
        f"The {what} cache cannot be written: {error}. Free some space in {cache_folder()}, or set MLILT_CACHE to "
        "another folder."
    )


def encode(
    tower: VisionTower,
    pictures: Iterable[bytes | Path],
    device: torch.device,
    dtype: torch.dtype,
    broken: Callable[[int, PictureError], None] | None = None,
) -> Iterator[Tensor]:
    """Features of many pictures, in batches: float32 of shape (at most the batch size, width), in order.

    Each thread decodes a batch and encodes it.

    Args:
        tower: the vision tower.
        pictures: any number.
        device: where to compute.
        dtype: precision of the model.
        broken: called with the place of each picture that cannot be decoded, whose features are NaN.

    Raises:
        PictureError: a picture cannot be decoded, and nothing is to be called.
    """
    fast = for_inference(tower, device, dtype)
    size = _BATCH[device.type]
    threads = torch.get_num_threads()
    batches = _batches(iter(pictures), size)

    def encoded(batch: list[bytes | Path]) -> tuple[Tensor, dict[int, PictureError]]:
        pixels = torch.zeros(size, 3, *tower.size, dtype=torch.uint8)
        errors = {}
        for place, picture in enumerate(batch):
            try:
                pixels[place] = tower.preprocess(picture)
            except PictureError as error:
                if broken is None:
                    raise
                errors[place] = error
        features = fast(pixels.to(device, non_blocking=True))[: len(batch)].float().cpu()
        if errors:
            # What inference mode made must not be changed in place.
            features = features.clone()
            features[list(errors)] = torch.nan
        return features, errors

    with ThreadPoolExecutor(threads) as pool:
        # Encoded pictures wait in memory, and photographs may have several megabytes each.
        ahead = min(2 * threads, max(2, _WAITING // size))
        waiting = [pool.submit(encoded, batch) for batch in islice(batches, ahead)]
        start = 0
        while waiting:
            done, errors = waiting.pop(0).result()
            waiting += [pool.submit(encoded, batch) for batch in islice(batches, 1)]
            for place, error in errors.items():
                assert broken is not None
                broken(start + place, error)
            start += len(done)
            yield done


def _batches(source: Iterator[bytes | Path], size: int) -> Iterator[list[bytes | Path]]:
    while batch := list(islice(source, size)):
        yield batch


def ensure(
    store: FeatureStore,
    tower: VisionTower,
    pictures: Iterable[tuple[str, bytes]],
    total: int,
    device: torch.device,
    dtype: torch.dtype,
    progress: bool = True,
    broken: Callable[[str, PictureError], None] | None = None,
) -> int:
    """Computes the features that are not stored yet.

    Args:
        store: where they go.
        tower: the vision tower.
        pictures: (image id, encoded picture); none of them is stored yet.
        total: how many there are.
        device: where to compute.
        dtype: precision of the model.
        progress: show a progress bar.
        broken: called with the image id of each picture that cannot be decoded; it is not stored.

    Returns:
        How many pictures there were.

    Raises:
        PictureError: a picture cannot be decoded, and nothing is to be called.
    """
    ids: list[str] = []
    lost: set[str] = set()

    def named() -> Iterator[bytes]:
        for image_id, picture in pictures:
            ids.append(image_id)
            yield picture

    done = 0
    gathered: list[Tensor] = []

    def flush() -> None:
        nonlocal done
        features = torch.cat(gathered)
        whole = [place for place in range(len(features)) if ids[done + place] not in lost]
        store.append([ids[done + place] for place in whole], features[whole])
        done += len(features)
        gathered.clear()

    def told(place: int, error: PictureError) -> None:
        assert broken is not None
        lost.add(ids[place])
        broken(ids[place], error)

    with bar(f"Encoding pictures with {tower.name}", total, unit="pictures", show=progress) as running:
        for features in encode(tower, named(), device, dtype, told if broken else None):
            gathered.append(features)
            running.advance(len(features))
            if sum(map(len, gathered)) >= _APPEND_EVERY:
                flush()
        if gathered:
            flush()
    return done


@contextlib.contextmanager
def meanwhile(
    store: FeatureStore,
    tower: VisionTower,
    pictures: Iterable[tuple[str, bytes]],
    total: int,
    device: torch.device,
    dtype: torch.dtype,
    progress: bool = True,
) -> Iterator[None]:
    """Computes features, as `ensure` does, beside what is done meanwhile; if that fails, no more than are begun.

    Raises:
        PictureError: a picture cannot be decoded.
    """
    stop = threading.Event()
    wanted = takewhile(lambda _: not stop.is_set(), pictures)
    with ThreadPoolExecutor(1, "features") as pool:
        computed = pool.submit(ensure, store, tower, wanted, total, device, dtype, progress)
        try:
            yield
            computed.result()
        finally:
            stop.set()
