"""Aliases of towers, one data file each in text/ and vision/; the file's name is the alias."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_prep import toml
from data_prep.errors import UserError

_FOLDER = Path(__file__).resolve().parent
Kind = Literal["text", "vision"]


class Alias(BaseModel):
    """What is known of one pretrained tower."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    title: str = Field(min_length=1, description="what a person would call it, with its size")
    model: str = Field(min_length=1, description="text: id on the model hub; vision: timm's name")
    licence: str = Field(min_length=1, description="SPDX identifier of the weights' licence")
    carried: str = Field(default="", description="module in towers/carried that has the weights without a hub")
    pooling: Literal["mean", "cls"] = Field(default="mean", description="text: how tokens become one vector")
    architecture: dict[str, int | float | str] = Field(
        default={},
        description="text: what transformers builds it from, model_type and the settings that differ from its defaults",
    )
    max_tokens: int = Field(default=64, ge=4, description="text: longer captions are cut")


def names(kind: Kind) -> list[str]:
    """Aliases of one kind of tower, sorted."""
    return sorted(path.stem for path in (_FOLDER / kind).glob("*.toml"))


def find(kind: Kind, name: str) -> Alias | None:
    """The alias with this name, or None.

    Raises:
        UserError: its file has mistakes; all are named.
    """
    if name not in names(kind):
        return None
    path = _FOLDER / kind / f"{name}.toml"
    try:
        return Alias.model_validate(toml.read(path))
    except ValidationError as error:
        raise UserError(f"{path}: {error}") from error
