"""Fixtures on real parts: the real sources in miniature, real pretrained towers, one shared download cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright

import mlilt
from data_prep.pipeline import Prepared

# Machines are shared and noisy: no test depends on time.
hypothesis.settings.register_profile("mlilt", deadline=None)
hypothesis.settings.load_profile("mlilt")


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Finds the folder of a name; the first of all test processes that asks for it fills it, and others wait."""
    root = tmp_path_factory.getbasetemp()
    # With pytest-xdist each process has a folder in one that is of the whole run.
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def find(name: str, fill: Callable[[Path], object]) -> Path:
        folder = root / "once" / name
        whole = root / "once" / f"{name}.whole"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "once" / f"{name}.lock"):
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                whole.touch()
        return folder

    return find


def prepare_once(once: Once, code: str) -> Prepared:
    """A language's data set in miniature, in a folder of its name: real sources, 60 concepts of each."""

    def prepare(folder: Path) -> Prepared:
        return mlilt.prepare(code, limit=60, out=folder / code, progress=False)

    # Of a set that is there already, what is told is read from it.
    return prepare(once(f"prepared-{code}", prepare))


@pytest.fixture(scope="session")
def small_sw(once: Once) -> Prepared:
    """The Swahili data set in miniature. To be read only."""
    return prepare_once(once, "sw")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, so that default paths (data/, runs/, reports/) land in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium, or whatever of its kin there is."""
    found = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    if found is None:
        if os.environ.get("MLILT_REQUIRE_BROWSER"):
            pytest.fail("no browser: install Debian's chromium")
        pytest.skip("no browser: install Debian's chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()
