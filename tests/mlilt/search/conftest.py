"""Pictures of the small Swahili set as files, and as an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.pipeline import Prepared
from mlilt import data


@pytest.fixture(scope="session")
def shown(small_sw: Prepared) -> dict[str, bytes]:
    """Encoded pictures of the test split by image id, each once."""
    return dict(data.read_pictures(small_sw.folder, "test"))


@pytest.fixture
def files(shown: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder with ten pictures in it and in a folder of its own, and files that are none."""
    root = tmp_path / "pictures"
    (root / "wanyama").mkdir(parents=True)
    for place, picture in enumerate(list(shown.values())[:10]):
        (root / ("wanyama" if place % 2 else "") / f"{place}.png").write_bytes(picture)
    (root / "notes.txt").write_text("none")
    (root / ".hidden.png").write_bytes(b"none")
    return root
