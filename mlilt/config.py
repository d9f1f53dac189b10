"""Settings of one run: typed, checked in one place, read from and written to TOML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from data_prep import toml
from data_prep.errors import UserError

FROZEN = "frozen"


class RunConfig(BaseModel):
    """Everything that decides a run's outcome. Defaults are those of `mlilt train`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    lang: str = Field(
        pattern=r"^[^+\s]+(\+[^+\s]+)*$",
        description="language code as in languages/; several, joined by +, train together",
    )
    strategy: str = Field(
        default="layernorm",
        min_length=1,
        description="what of the text tower trains; or a preset, which sets both towers",
    )
    vision_strategy: str | None = Field(
        default=None, min_length=1, description="what of the vision tower trains; else nothing"
    )
    always_freeze: list[int] = Field(
        default=[], description="blocks of the text tower that never train; -1 is the last"
    )
    vision_always_freeze: list[int] = Field(default=[], description="blocks of the vision tower that never train")
    text: str = Field(default="e5-small", description="text tower: alias, hub id or local folder")
    vision: str = Field(default="efficientnet-lite0", description="vision tower: alias, timm name, folder or ARCH=FILE")
    trim_vocab: bool = Field(default=False, description="leave out pieces of the vocabulary that the data does not use")
    data: str = Field(
        default="",
        description="folder of the prepared data set, data/<lang> if empty; of several languages, what holds them",
    )
    language_temperature: float = Field(
        default=1.0, ge=1, description="of sampling several languages: 1 is by size, more favours the small ones"
    )
    concepts: int | None = Field(
        default=None, ge=2, description="train on so many concepts of each language alone, which the seed chooses"
    )
    held_out: list[str] = Field(default=[], description="categories of pictures that are not trained on")
    epochs: int = Field(default=10, ge=1, description="times every picture is seen")
    min_steps: int = Field(default=0, ge=0, description="more epochs where these are fewer steps: for small sets")
    budget_s: float | None = Field(
        default=None, gt=0, description="train for so many seconds of training steps, however many epochs that is"
    )
    batch_size: int = Field(
        default=128, ge=2, description="captions a batch, over all processes; each with its pictures"
    )
    chunk_size: int | None = Field(
        default=None, ge=1, description="captions or pictures encoded at a time; less than a batch is gradient caching"
    )
    pictures_per_caption: int = Field(default=2, ge=1, description="pictures of a concept sharing one caption a step")
    lr: float | None = Field(
        default=None, gt=0, description="peak learning rate of the text tower; else its strategy's"
    )
    vision_lr: float | None = Field(default=None, gt=0, description="of the vision tower; else its strategy's")
    projection_lr: float = Field(default=3e-3, gt=0, description="peak learning rate of projections and temperature")
    weight_decay: float = Field(default=0.02, ge=0, description="of matrices; not of embeddings, norms, biases")
    adam_epsilon: float = Field(
        default=1e-8, gt=0, description="AdamW's: gradients far below it move weights little; CLIP's is 1e-6"
    )
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of steps in which learning rates rise")
    dim: int = Field(default=256, ge=2, description="size of the shared space")
    projection_init: Literal["cca", "random"] = Field(
        default="cca", description="projections start from canonical correlation analysis, or at random"
    )
    objective: str = Field(
        default="info-nce", description="contrastive objective: a name in mlilt/alignment/objectives"
    )
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="of the objective's targets")
    temperature: float = Field(default=0.07, ge=0.001, le=0.5, description="where the learned temperature starts")
    bridge: Literal["", "en"] = Field(default="", description="also draws captions to their English ones")
    bridge_weight: float = Field(default=0.5, gt=0, description="of the text-text term against the image-text one")
    keyword_share: float = Field(default=0.4, ge=0, le=1, description="share of captions made of keywords, if any")
    seed: int = Field(default=0, ge=0, description="decides order, captions chosen and initial weights")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where to train")
    precision: Literal["auto", "fp32", "bf16"] = Field(default="auto", description="of matrix products")
    activation_checkpointing: bool = Field(
        default=False, description="computes each block a second time instead of keeping what is in it: less memory"
    )
    compile: bool = Field(
        default=False, description="compiles the towers that train (torch.compile); worth it on a GPU"
    )

    @field_validator("lang")
    @classmethod
    def _each_once(cls, lang: str) -> str:
        if len(set(lang.split("+"))) < len(lang.split("+")):
            raise ValueError("names a language twice")
        return lang

    @property
    def languages(self) -> list[str]:
        """The languages trained on together."""
        return self.lang.split("+")

    def data_folder(self, language: str) -> Path:
        """The folder of a language's prepared data set."""
        return data_folder(self.data, self.languages, language)

    @property
    def method(self) -> str:
        """What trains, for people: the text tower's strategy, and behind a slash the vision tower's if it trains."""
        if self.vision_strategy in (None, FROZEN):
            return self.strategy
        return f"{self.strategy}/{self.vision_strategy}"

    @property
    def name(self) -> str:
        """The run's default name: languages, strategies, what else is not the default, seed."""
        kinds = ("text", "vision", "objective")
        others = [getattr(self, key) for key in kinds if getattr(self, key) != RunConfig.model_fields[key].default]
        wanted = (
            (f"bridge-{self.bridge}", self.bridge),
            ("trimmed", self.trim_vocab),
            (f"c{self.concepts}", self.concepts),
            (f"without-{'-'.join(self.held_out)}", self.held_out),
            (f"{self.budget_s or 0:g}s", self.budget_s),
        )
        marks = [mark for mark, on in wanted if on]
        parts = [self.lang, self.method, *others, *marks, f"s{self.seed}"]
        return "-".join("".join(c if c.isalnum() or c in "+.-_" else "_" for c in part) for part in parts)

    def outcome(self) -> dict[str, Any]:
        """The settings as plain values, `None` left out (TOML has none)."""
        return self.model_dump(mode="json", exclude_none=True)


def data_folder(given: Path | str | None, languages: Sequence[str], language: str) -> Path:
    """The folder of a language's data set: the one given; of several languages, and by default, one within."""
    if given and len(languages) == 1:
        return Path(given)
    return Path(given or "data") / language


def make(settings: dict[str, Any], origin: str = "the command line") -> RunConfig:
    """Checks settings.

    Raises:
        UserError: names every mistake at once, each with its key.
    """
    try:
        return RunConfig.model_validate(settings)
    except ValidationError as error:
        known = ", ".join(RunConfig.model_fields)
        lines = []
        for mistake in error.errors():
            key = ".".join(map(str, mistake["loc"]))
            # A mistake within a list has the list's key in front.
            hint = "" if mistake["loc"] and mistake["loc"][0] in RunConfig.model_fields else f" (keys: {known})"
            lines.append(f"  {key}: {mistake['msg']}{hint}")
        raise UserError(f"{len(lines)} mistake(s) in the settings of {origin}:\n" + "\n".join(lines)) from error


def read_settings(path: Path) -> dict[str, Any]:
    """The settings a TOML file holds, not yet checked, so that the command line can overrule them.

    Raises:
        UserError: no such file, or not TOML.
    """
    return toml.read(path)


def read(path: Path) -> RunConfig:
    """Settings of a TOML file; raises as `read_settings` and `make`."""
    return make(read_settings(path), str(path))


def write(config: RunConfig, path: Path) -> None:
    """Writes a file that `read` reads back as the same settings."""
    partial = path.with_suffix(".part")
    partial.write_text(tomli_w.dumps(config.outcome()), encoding="utf-8")
    partial.replace(path)
