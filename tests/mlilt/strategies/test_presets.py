"""Every preset is held to one contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from data_prep.errors import UserError
from mlilt import strategies
from mlilt.strategies import presets

NAMES = presets.names()


def test_the_papers_names_are_there_and_none_is_a_strategys() -> None:
    assert {"clip", "lit", "lilt-da", "lilt-lwa", "lilt-minus-adapters", "lilt-bitfit", "projections"} <= set(NAMES)
    assert not set(NAMES) & set(strategies.names())


@pytest.mark.parametrize("name", NAMES)
def test_each_names_its_paper_and_strategies_in_their_one_spelling(name: str) -> None:
    preset = presets.find(name)
    assert preset is not None
    assert re.search(r"arXiv:\d{4}\.\d{5}", preset.paper)
    for spec in (preset.text, preset.vision):
        assert strategies.canonical(spec) == spec


def test_lit_freezes_the_vision_tower_and_clip_nothing() -> None:
    found = {name: presets.find(name) for name in ("lit", "clip")}
    assert {name: (p.text, p.vision) for name, p in found.items() if p} == {
        "lit": ("full", "frozen"),
        "clip": ("full", "full"),
    }


@pytest.mark.parametrize("name", ["layernorm", "../presets/lit", ""])
def test_a_name_that_is_none_is_none(name: str) -> None:
    assert presets.find(name) is None


def test_all_mistakes_in_a_file_are_named_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "_FOLDER", tmp_path)
    (tmp_path / "own.toml").write_text('title = ""\nvison = "full"\ntext = 3\n', encoding="utf-8")
    with pytest.raises(UserError) as caught:
        presets.find("own")
    for part in ("own.toml", "title", "vison", "vision", "text", "paper"):
        assert part in str(caught.value)
    (tmp_path / "own.toml").write_text("title =", encoding="utf-8")
    with pytest.raises(UserError, match=r"own\.toml"):
        presets.find("own")
