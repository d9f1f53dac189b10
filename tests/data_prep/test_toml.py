from __future__ import annotations

from pathlib import Path

import pytest

from data_prep import toml
from data_prep.errors import UserError


@pytest.mark.parametrize(
    "content",
    [b"lang = ", b"lang = '\xff'", b"lang = " + b"[" * 5_000, b"lang = " + b"9" * 5_000],
    ids=["cut", "no UTF-8", "nested deep", "a long number"],
)
def test_what_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(UserError, match=r"c\.toml is not valid TOML in UTF-8: "):
        toml.read(tmp_path / "c.toml")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"c\.toml cannot be read: No such file"):
        toml.read(tmp_path / "c.toml")


def test_toml_in_utf_8_is_read(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('name = "Yorùbá"', encoding="utf-8")
    assert toml.read(tmp_path / "c.toml") == {"name": "Yorùbá"}
