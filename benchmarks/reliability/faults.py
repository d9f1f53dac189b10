"""One wrong byte, or a cut, in each kind of file that is kept: noticed, harmless, or used.

A trial changes one bit of a file at random, or cuts the file at random, and reads it as the commands do. "Noticed" is
an error that names the file or its folder, or a part that is left out and made anew; "harmless" is the same content all
the same (a byte of padding); "used" is other content without a word, which must not be.

`python -m benchmarks.reliability.faults --trials 200`.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import mlilt
from benchmarks._cache import without_features
from benchmarks._table import show
from benchmarks.reliability import as_program
from data_prep import carriers
from data_prep.errors import UserError
from data_prep.pipeline import load_source
from mlilt import data, learned, model, record, search
from mlilt.search import store
from mlilt.towers import carried
from mlilt.training import checkpoint
from mlilt.training.features import FeatureStore

TRIALS = 200
CONCEPTS = 60

# Reads what lies in a folder, in a form that can be compared; None for what is made anew.
Read = Callable[[Path], object]


def run(trials: int = TRIALS, seed: int = 0) -> None:
    """Prints a line for each kind of file."""
    draws = random.Random(seed)
    lines = []
    with tempfile.TemporaryDirectory() as place:
        for name, (folder, pattern, read) in _kinds(Path(place)).items():
            [file] = folder.glob(pattern)
            whole, expected = file.read_bytes(), read(folder)
            said: Counter[str] = Counter()
            for number in range(trials):
                cut = number % 4 == 3
                at = draws.randrange(len(whole))
                changed = (
                    whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 1 << draws.randrange(8)]) + whole[at + 1 :]
                )
                file.write_bytes(changed)
                outcome = _outcome(read, folder, file, expected)
                if outcome not in {"noticed", "harmless"}:
                    print(f"{name}: {'cut' if cut else 'flipped'} at {at} of {len(whole)}: {outcome}", flush=True)
                said[outcome.split(":")[0]] += 1
            file.write_bytes(whole)
            lines.append((name, str(trials), *(str(said[what]) for what in ("noticed", "harmless", "used"))))
            print(" | ".join(lines[-1]), flush=True)
    show(("file", "faults", "noticed", "harmless", "used"), lines)


def _outcome(read: Read, folder: Path, file: Path, expected: object) -> str:
    try:
        found = read(folder)
    except UserError as error:
        named = any(str(part) in str(error) for part in (file, folder, file.name, folder.name))
        return "noticed" if named else f"used: an error that does not name the file: {error}"
    except Exception as error:
        return f"used: {type(error).__name__}: {error}"
    if found is None:
        return "noticed"
    return "harmless" if found == expected else "used: other content"


def _kinds(root: Path) -> dict[str, tuple[Path, str, Read]]:
    """Each kind: a folder, which of its files is changed, and how the folder is read."""
    resource = next(r for r in load_source("cldr-emoji").about.resources if "derived" in r.name)
    carriers.fetch(resource, progress=False)
    # What is changed must not be what other work on this machine uses.
    os.environ.update(without_features(root))
    shared = root / "cache" / "resources"
    there = shared.resolve()
    shared.unlink()
    shutil.copytree(there, shared)
    shutil.rmtree(resource.folder)
    carriers.fetch(resource, progress=False)
    sw = mlilt.prepare("sw", source=["cldr-emoji"], limit=CONCEPTS, out=root / "sw", progress=False).folder
    run_ = root / "run"
    about = mlilt.train("sw", data=str(sw), epochs=1, out=run_, progress=False)
    built = search.build(run_, sw, root / "index", progress=False)
    stopped, features, tower = (root / name for name in ("checkpoint", "features", "tower"))
    stopped.mkdir()
    features.mkdir()
    checkpoint.save(stopped, {"weights": learned.read_weights(run_ / record.WEIGHTS)[0], "step": 7})
    of_pictures = FeatureStore(features, 4)
    ids = [f"{n:016x}" for n in range(50)]
    of_pictures.append(ids, torch.from_numpy(np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)))
    written = dict(zip(ids, of_pictures.read(ids).tolist(), strict=True))
    shutil.copytree(carried.folder("efficientnet_lite0"), tower)

    def rows(folder: Path) -> object:
        splits = ("train", "validation", "test")
        return [(data.read_rows(folder, split), list(data.read_pictures(folder, split))) for split in splits]

    def of_store(folder: Path) -> object:
        opened = FeatureStore(folder, 4)
        there = sorted(opened.place())
        found = dict(zip(there, opened.read(there).tolist(), strict=True))
        # What is left out is computed anew; what is there must be what was written.
        wrong = [image_id for image_id, row in found.items() if row != written[image_id]]
        return wrong or (None if len(there) < len(written) else "whole")

    def of_checkpoint(folder: Path) -> object:
        state = checkpoint.read(folder)
        assert state is not None
        return {**state, "weights": {name: tensor.tolist() for name, tensor in state["weights"].items()}}

    def of_index(folder: Path) -> object:
        opened = search.open_index(folder)
        return [(hit.image_id, hit.score) for hit in opened.nearest(np.ones(about.config.dim, np.float32), len(opened))]

    def of_weights(folder: Path) -> object:
        if learned.file_digest(folder / record.WEIGHTS) != record.read(folder).weights_sha256:
            model.load(folder)
        return "whole"

    def of_tower(folder: Path) -> object:
        carriers._SEEN.clear()
        return carriers.content_digest(folder) if carried._is_whole(folder) else None

    def of_resource(folder: Path) -> object:
        carriers._SEEN.clear()
        return carriers.content_digest(resource.folder) if carriers._is_whole(resource) else None

    return {
        "data set, rows and pictures": (sw / "data", "train-*.parquet", lambda folder: rows(folder.parent)),
        "features of pictures": (features, "features.f16", of_store),
        "features' ids": (features, "ids.txt", of_store),
        "checkpoint": (stopped, record.CHECKPOINT, of_checkpoint),
        "trained weights": (run_, record.WEIGHTS, of_weights),
        "index, vectors": (built.folder, store.read_about(built.folder).vectors.name, of_index),
        "index, table": (built.folder, store.read_about(built.folder).table.name, of_index),
        "tower in the cache": (tower, "model.safetensors", of_tower),
        "fetched table in the cache": (resource.folder / "annotationsDerived" / "sw", "annotations.json", of_resource),
    }


if __name__ == "__main__":
    as_program(run, __doc__, trials=TRIALS)
