"""Finished runs, a second language, and a subject to put to tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from data_prep.pipeline import Prepared
from mlilt.assessment import Measured, assess
from mlilt.assessment._base import Subject
from mlilt.config import RunConfig
from mlilt.model import restore
from mlilt.training import loop
from tests.conftest import Once, prepare_once


@pytest.fixture(scope="session")
def small_en(once: Once) -> Prepared:
    """The English data set of the same concepts as the small Swahili one, in a folder `en`. To be read only."""
    return prepare_once(once, "en")


@pytest.fixture(scope="session")
def others(small_en: Prepared) -> Path:
    """What holds the data sets of other languages."""
    return small_en.folder.parent


@pytest.fixture(scope="session")
def run(settings: Callable[..., RunConfig], once: Once) -> Path:
    """A run of the default towers on Swahili, in float32, so that what is computed in another order is the same."""
    return once("assessed", lambda folder: loop.train(settings(epochs=1), out=folder, progress=False))


@pytest.fixture(scope="session")
def found(run: Path, others: Path) -> list[Measured]:
    """What that run reaches in all tests, in Swahili and English."""
    return assess(run, ["en"], others, progress=False)


@pytest.fixture
def train(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tiny_eyes: dict[str, str], tmp_path: Path
) -> Callable[..., Path]:
    """Trains a run of random towers for one epoch."""

    def make(name: str = "run", **changes: Any) -> Path:
        towers = {"text": tiny["mbert"], "vision": tiny_eyes["vit"]}
        loop.train(settings(**{**towers, "epochs": 1, **changes}), out=tmp_path / name, progress=False)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def subject() -> Callable[[Path], Subject]:
    """Loads a run in float32, to be put to a test by itself."""

    def load(folder: Path) -> Subject:
        about, dual, eyes = restore(folder, torch.device("cpu"), torch.float32)
        return Subject(about, dual, eyes, torch.float32, offline=False, progress=False)

    return load


@pytest.fixture(scope="session")
def real_subject(run: Path, subject: Callable[[Path], Subject]) -> Subject:
    """The run of the default towers."""
    return subject(run)
