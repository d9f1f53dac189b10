"""Pictures of a split in any order, decoded ahead of the model: for vision towers that train."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import torch
from filelock import FileLock
from torch import Tensor

from data_prep.carriers import cache_folder
from mlilt.towers.vision import VisionTower
from mlilt.training.corpus import Split
from mlilt.training.features import unwritable

# Chunks of pixels that wait for the model at most.
_WAITING = 3
_WRITTEN_AT_A_TIME = 64


class Pictures:
    """Encoded pictures by place, memory-mapped: Parquet is read in order only.

    Args:
        split: whose pictures, in the order of its `image_ids`.

    Raises:
        UserError: the cache cannot be written.
    """

    def __init__(self, split: Split) -> None:
        key = hashlib.sha256("\n".join(split.image_ids).encode()).hexdigest()[:16]
        path = cache_folder() / "pictures" / f"{key}.arrow"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                if not path.exists():
                    _write(split, path)
        except OSError as error:
            raise unwritable("picture", error) from error
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        place = {image_id: n for n, image_id in enumerate(table["image_id"].to_pylist())}
        self._place = [place[image_id] for image_id in split.image_ids]
        self._bytes = table["image"]

    def __len__(self) -> int:
        return len(self._place)

    def __getitem__(self, place: int) -> bytes:
        found: bytes = self._bytes[self._place[place]].as_py()
        return found


def _write(split: Split, path: Path) -> None:
    schema = pa.schema([("image_id", pa.string()), ("image", pa.binary())])
    partial = path.with_suffix(".part")
    with pa.OSFile(str(partial), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        waiting: list[tuple[str, bytes]] = []

        def flush() -> None:
            if waiting:
                writer.write_batch(pa.record_batch(list(map(list, zip(*waiting, strict=True))), schema=schema))
                waiting.clear()

        for pair in split.pictures(set(split.image_ids)):
            waiting.append(pair)
            if len(waiting) == _WRITTEN_AT_A_TIME:
                flush()
        flush()
    partial.replace(path)


class Pixels:
    """Decodes chunks of pictures in threads of its own, ahead of when they are needed.

    Args:
        tower: whose preprocessing to use.
        pictures: encoded pictures.
        pin: keep pixels in pinned memory, for a GPU to fetch by itself.
    """

    def __init__(self, tower: VisionTower, pictures: Pictures, pin: bool = False) -> None:
        self._tower = tower
        self._pictures = pictures
        self._pin = pin
        self._pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) // 2))
        self._waiting: dict[tuple[int, ...], list[Future[Tensor]]] = {}

    def ahead(self, places: Sequence[int]) -> None:
        """Starts decoding a chunk, if not too many wait already."""
        key = tuple(places)
        if key and key not in self._waiting and len(self._waiting) < _WAITING:
            self._waiting[key] = self._start(key)

    def take(self, places: Sequence[int]) -> Tensor:
        """uint8 pixels of shape (n, 3, height, width).

        Raises:
            PictureError: a picture cannot be decoded.
        """
        key = tuple(places)
        pixels = torch.stack([picture.result() for picture in self._waiting.pop(key, None) or self._start(key)])
        return pixels.pin_memory() if self._pin else pixels

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, places: Sequence[int]) -> list[Future[Tensor]]:
        return [self._pool.submit(self._tower.preprocess, self._pictures[place]) for place in places]
