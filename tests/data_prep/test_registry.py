from __future__ import annotations

import importlib
import sys

import pytest

from data_prep import registry
from data_prep.errors import UnknownNameError


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "plugins_of_a_test"
    folder.mkdir()
    for name in ("__init__", "_base", "web_shop", "album"):
        (folder / f"{name}.py").write_text("MARK = __name__\n")
    (folder / "broken.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module(folder.name)
    for name in [m for m in sys.modules if m.startswith(folder.name)]:
        del sys.modules[name]


def test_the_file_name_is_the_name_and_listing_imports_nothing(package):
    assert registry.names(package) == ["album", "broken", "web-shop"]
    assert registry.module(package, "web-shop", "thing").MARK == "plugins_of_a_test.web_shop"


@pytest.mark.parametrize("name", ["web_shop", "_base", "websop", "Web-Shop"])
def test_only_the_exact_public_name_is_taken_and_the_nearest_is_suggested(package, name):
    with pytest.raises(UnknownNameError, match=f"There is no thing named '{name}'"):
        registry.module(package, name, "thing")


def test_without_a_near_name_all_are_listed(package):
    with pytest.raises(UnknownNameError, match="Known: album, broken, web-shop"):
        registry.module(package, "zzz", "thing")
