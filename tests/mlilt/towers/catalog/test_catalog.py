"""Every alias file is held to one contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import timm

from data_prep.errors import UserError
from mlilt.towers import catalog, text, vision

ALIASES = [(kind, name) for kind in ("text", "vision") for name in catalog.names(kind)]


def test_both_kinds_have_aliases_and_the_defaults_are_among_them_and_carried() -> None:
    assert {"e5-small", "xlm-r-base", "xlm-r-large", "mbert"} <= set(catalog.names("text"))
    assert {"efficientnet-lite0", "deit-base", "vit-base", "dinov2-small"} <= set(catalog.names("vision"))
    assert catalog.find("text", text.DEFAULT).carried
    assert catalog.find("vision", vision.DEFAULT).carried


@pytest.mark.parametrize(("kind", "name"), ALIASES)
def test_each_is_valid_and_names_a_model_that_there_can_be(kind: catalog.Kind, name: str) -> None:
    alias = catalog.find(kind, name)
    assert alias is not None
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", name)
    assert re.search(r"\d[\d.]* M parameters", alias.title)
    if kind == "text":
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", alias.model)
        assert "model_type" in alias.architecture
    else:
        settings = timm.get_pretrained_cfg(alias.model)
        assert timm.is_model(alias.model.split(".")[0])
        assert alias.carried or settings.hf_hub_id


def test_a_name_that_is_none_is_none() -> None:
    assert catalog.find("text", "efficientnet-lite0") is None
    assert catalog.find("vision", "../text/mbert") is None


def test_all_mistakes_in_a_file_are_named_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "_FOLDER", tmp_path)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "own.toml").write_text('title = ""\nmodle = "a/b"\nmax_tokens = "many"\n', encoding="utf-8")
    with pytest.raises(UserError) as caught:
        catalog.find("text", "own")
    for part in ("own.toml", "title", "modle", "model", "licence", "max_tokens"):
        assert part in str(caught.value)
    (tmp_path / "text" / "own.toml").write_text("title =", encoding="utf-8")
    with pytest.raises(UserError, match=r"own\.toml"):
        catalog.find("text", "own")
