"""Every command that these tests start is watched: it may call nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.watching import Watch


@pytest.fixture(autouse=True)
def watched(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    watch = Watch(tmp_path_factory.mktemp("watch"))
    for name, value in watch.environment.items():
        monkeypatch.setenv(name, value, prepend=os.pathsep if name == "PYTHONPATH" else None)
    yield watch
    assert watch.noted == ""
