"""Every module that carries a tower is held to one contract."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest

from data_prep.carriers import FetchError
from mlilt.towers import carried, catalog

NAMES = sorted(m.name for m in pkgutil.iter_modules(carried.__path__) if not m.name.startswith("_"))


def test_the_folder_is_not_empty() -> None:
    assert len(NAMES) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_each_has_resources_a_paper_and_an_alias_that_offers_it(name: str) -> None:
    module = carried.load(name)
    assert module.RESOURCES
    for resource in module.RESOURCES:
        assert len(resource.digest) == 64
        assert all(carrier.sha256 and len(carrier.sha256) == 64 for carrier in resource.carriers)
    assert "arXiv:" in (module.__doc__ or "")
    offers = [
        alias
        for kind in ("text", "vision")
        for alias in catalog.names(kind)
        if catalog.find(kind, alias).carried == name
    ]
    assert len(offers) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_second_call_gives_the_same_folder_without_a_network(name: str) -> None:
    first = carried.folder(name, progress=False)
    assert (first / "config.json").is_file()
    assert (first / "model.safetensors").is_file()
    assert carried.folder(name, offline=True, progress=False) == first


@pytest.mark.parametrize("name", NAMES)
def test_offline_with_an_empty_cache_is_an_error_that_says_what_to_do_and_leaves_nothing_half_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path))
    monkeypatch.delenv("MLILT_ARCHIVES", raising=False)
    with pytest.raises(FetchError, match=r"(?s)could not be fetched:.*offline.*Run once without --offline"):
        carried.folder(name, offline=True, progress=False)
    assert [path for path in (tmp_path / "towers").iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match=r"could not be stored in .*set MLILT_CACHE"):
        carried.folder(NAMES[0], progress=False)
