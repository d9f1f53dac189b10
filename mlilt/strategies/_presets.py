"""Pairs of strategies by the names that papers give them, one data file each in presets/."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_prep import toml
from data_prep.errors import UserError

_FOLDER = Path(__file__).resolve().parent / "presets"


class Preset(BaseModel):
    """The strategies of both towers under one name."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    title: str = Field(min_length=1, description="what it does, in one line")
    text: str = Field(min_length=1, description="strategy of the text tower")
    vision: str = Field(min_length=1, description="strategy of the vision tower")
    paper: str = Field(min_length=1, description="where it comes from, and what it is called there")


def names() -> list[str]:
    """Names of all presets, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def find(name: str) -> Preset | None:
    """The preset with this name, or None.

    Raises:
        UserError: its file has mistakes; all are named.
    """
    if name not in names():
        return None
    path = _FOLDER / f"{name}.toml"
    try:
        return Preset.model_validate(toml.read(path))
    except ValidationError as error:
        raise UserError(f"{path}: {error}") from error
