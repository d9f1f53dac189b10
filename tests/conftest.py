"""Fixtures on real parts: the real sources in miniature, real pretrained towers, one shared download cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import Browser, sync_playwright

import mlilt
from data_prep.pipeline import Prepared

# Machines are shared and noisy: no test depends on time.
hypothesis.settings.register_profile("mlilt", deadline=None)
hypothesis.settings.load_profile("mlilt")


@pytest.fixture(scope="session")
def small_sw(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The Swahili data set in miniature: real sources, 60 concepts of each. To be read only."""
    return mlilt.prepare("sw", limit=60, out=tmp_path_factory.mktemp("prepared") / "sw", progress=False)


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
