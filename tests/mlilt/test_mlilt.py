"""The package itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mlilt


def test_importing_it_loads_no_torch() -> None:
    code = (
        "import sys, mlilt, data_prep; dir(mlilt); mlilt.UserError\n"
        "print([m for m in ('torch', 'transformers', 'timm', 'peft') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["UserError", "load", "prepare", "train", "compare"])
def test_what_it_offers_is_there(name: str) -> None:
    assert name in dir(mlilt)
    assert callable(getattr(mlilt, name))


def test_a_name_that_it_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_thing'"):
        mlilt.no_such_thing  # noqa: B018
