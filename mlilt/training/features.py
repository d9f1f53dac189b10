"""Features of a frozen vision tower, computed once for each picture and kept on disk for all runs.

One folder for each (vision weights, preprocessing, precision): `features.f16` holds float16 rows one after the
other, `ids.txt` the image id of each row. Rows are only ever appended, features before ids, so that a killed
process leaves at most a tail without ids, which the next one cuts off.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from data_prep.carriers import cache_folder
from data_prep.errors import UserError
from data_prep.progress import bar
from mlilt.towers.inference import for_inference
from mlilt.towers.vision import VisionTower

# On a CPU small batches stay in its caches; the size is fixed so that a picture's features do not depend on what
# it is encoded with.
_BATCH = {"cpu": 8, "cuda": 128}
_APPEND_EVERY = 512


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

    def place(self) -> dict[str, int]:
        """Row of each image id. What a killed process left half written is not counted."""
        file = self.folder / "ids.txt"
        whole = file.read_bytes() if file.exists() else b""
        ids = whole[: whole.rfind(b"\n") + 1].decode("ascii").split()
        return {image_id: row for row, image_id in enumerate(ids[: self._stored()])}

    def read(self, image_ids: Sequence[str]) -> Tensor:
        """Features in the order asked for: float32 of shape (n, width).

        Raises:
            KeyError: an image id is not there.
        """
        place = self.place()
        rows = [place[i] for i in image_ids]
        if not rows:
            return torch.empty(0, self.width)
        table = np.memmap(self._features, np.float16, "r", shape=(self._stored(), self.width))
        return torch.from_numpy(table[rows].astype(np.float32))

    def append(self, image_ids: Sequence[str], features: Tensor) -> None:
        """Adds rows; image ids that another process has added meanwhile, or that come twice, are left out.

        Raises:
            UserError: the cache cannot be written.
        """
        try:
            with self._lock:
                place = self.place()
                # Cut what has no partner in the other file, then append: features first.
                self._cut(len(place))
                new = {image_id: n for n, image_id in enumerate(image_ids) if image_id not in place}
                with self._features.open("ab") as file:
                    file.write(features[list(new.values())].to(torch.float16).contiguous().numpy().tobytes())
                    file.flush()
                    os.fsync(file.fileno())
                with (self.folder / "ids.txt").open("a", encoding="ascii") as file:
                    file.write("".join(f"{image_id}\n" for image_id in new))
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise unwritable("feature", error) from error

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


def store_for(sha256: str, preprocessing: str, width: int, dtype: torch.dtype) -> FeatureStore:
    """The store of one (vision weights, preprocessing, precision) in the shared cache.

    Raises:
        UserError: the cache folder cannot be written.
    """
    about = {"weights": sha256, "preprocessing": preprocessing, "width": width, "precision": str(dtype), "format": 2}
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
) -> Iterator[Tensor]:
    """Features of many pictures, in batches: float32 of shape (at most the batch size, width), in order.

    Each thread decodes a batch and encodes it.

    Raises:
        PictureError: a picture cannot be decoded.
    """
    fast = for_inference(tower, device, dtype)
    size = _BATCH[device.type]
    threads = torch.get_num_threads()
    batches = _batches(iter(pictures), size)

    def encoded(batch: list[bytes | Path]) -> Tensor:
        pixels = tower.pixels(batch)
        pixels = torch.cat([pixels, pixels.new_zeros(size - len(batch), *pixels.shape[1:])])
        return fast(pixels.to(device, non_blocking=True))[: len(batch)].float().cpu()

    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(encoded, batch) for batch in islice(batches, 2 * threads)]
        while waiting:
            done = waiting.pop(0).result()
            waiting += [pool.submit(encoded, batch) for batch in islice(batches, 1)]
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

    Returns:
        How many were computed.
    """
    ids: list[str] = []

    def named() -> Iterator[bytes]:
        for image_id, picture in pictures:
            ids.append(image_id)
            yield picture

    done = 0
    gathered: list[Tensor] = []

    def flush() -> None:
        nonlocal done
        features = torch.cat(gathered)
        store.append(ids[done : done + len(features)], features)
        done += len(features)
        gathered.clear()

    with bar(f"Encoding pictures with {tower.name}", total, unit="pictures", show=progress) as running:
        for features in encode(tower, named(), device, dtype):
            gathered.append(features)
            running.advance(len(features))
            if sum(map(len, gathered)) >= _APPEND_EVERY:
                flush()
        if gathered:
            flush()
    return done
