"""What the API answers, as its description (OpenAPI) says."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class HitAnswer(_Answer):
    """A picture that was found."""

    rank: int = Field(ge=1)
    score: float = Field(description="cosine similarity to the query")
    image_id: str = Field(pattern="^[0-9a-f]{16}$", description="of the picture's content")
    names: list[str] = Field(description="of the files that hold it")
    caption: str = Field(description="what is said of it; empty if nothing is")
    credit: str = Field(description="whom to credit, and its licence; empty if that is not known")


class Found(_Answer):
    """The pictures that fit a query best."""

    index: str
    hits: list[HitAnswer]


class IndexAnswer(_Answer):
    """An index that is served."""

    name: str
    pictures: int
    run: str = Field(description="name of the run that encodes")
    languages: list[str] = Field(description="that the run was trained on; it knows others less well")
    changed: str = Field(description="when the index was brought up to date; UTC, ISO 8601")


class Language(_Answer):
    """A language that the page speaks."""

    code: str
    name: str


class Health(_Answer):
    """That the server answers, and from what."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="of mlilt")
    indexes: int


class Problem(_Answer):
    """Why there is no other answer."""

    detail: str
