"""Random changes of settings, records and indexes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mlilt import config as configs
from mlilt import record
from mlilt.comparison import experiment
from mlilt.search import store, tensors
from tests import fuzzing


def test_settings_of_a_run(tmp_path: Path) -> None:
    seed = b'lang = "sw"\nstrategy = "layernorm"\nepochs = 3\nlr = 0.001\nalways_freeze = [1, -1]\ntrim_vocab = true\n'
    fuzzing.fuzz("settings of a run", seed, fuzzing.of_file(tmp_path, "config.toml", configs.read))


def test_an_experiment(tmp_path: Path) -> None:
    seed = (Path(__file__).parents[2] / "experiments" / "parity.toml").read_bytes()
    fuzzing.fuzz("experiment", seed, fuzzing.of_file(tmp_path, "mine.toml", lambda path: experiment.read(path, "mine")))


def test_a_runs_record(real: Path, tmp_path: Path) -> None:
    seed = (real / record.RECORD).read_bytes()
    fuzzing.fuzz(
        "record of a run", seed, fuzzing.of_file(tmp_path, record.RECORD, lambda path: record.read(path.parent))
    )


def test_an_index(tmp_path: Path) -> None:
    about = {
        "version": 1,
        "changed": "2026-01-01T00:00:00+00:00",
        "run": "../run",
        "weights_sha256": "0" * 64,
        "name": "sw",
        "languages": ["sw"],
        "dim": 8,
        "kind": "folder",
        "pictures": "..",
        "count": 1,
        "files": 1,
        "broken": 0,
        "vectors": {"name": "vectors-1.safetensors", "sha256": "0" * 64},
        "table": {"name": "pictures-1.parquet", "sha256": "0" * 64},
        "format": store.FORMAT,
    }
    seed = json.dumps(about).encode()
    fuzzing.fuzz("index", seed, fuzzing.of_file(tmp_path, store.ABOUT, lambda path: store.read_about(path.parent)))


def test_vectors(tmp_path: Path) -> None:
    tensors.write(tmp_path / "v", {"keys": np.arange(5, dtype=np.uint64), "halves": np.ones((5, 4), np.float16)})
    seed = (tmp_path / "v").read_bytes()
    fuzzing.fuzz("vectors", seed, fuzzing.of_file(tmp_path, "changed", tensors.read), (ValueError,))
