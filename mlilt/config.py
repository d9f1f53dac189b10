"""Settings of one run: typed, checked in one place, read from and written to TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_prep.errors import UserError


class RunConfig(BaseModel):
    """Everything that decides a run's outcome. Defaults are those of `mlilt train`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    lang: str = Field(min_length=1, description="language code, as in languages/")
    strategy: str = Field(default="layernorm", description="what of the text tower trains: a name in mlilt/strategies")
    text: str = Field(default="e5-small", description="text tower: alias, hub id or local folder")
    vision: str = Field(default="efficientnet-lite0", description="vision tower: alias, timm name, folder or ARCH=FILE")
    data: str = Field(default="", description="folder of the prepared data set; data/<lang> if empty")
    epochs: int = Field(default=10, ge=1, description="times every picture is seen")
    batch_size: int = Field(default=128, ge=2, description="captions a batch; each comes with its pictures")
    pictures_per_caption: int = Field(default=2, ge=1, description="pictures of a concept sharing one caption a step")
    lr: float | None = Field(default=None, gt=0, description="peak learning rate of the tower; else its strategy's")
    projection_lr: float = Field(default=3e-3, gt=0, description="peak learning rate of projections and temperature")
    weight_decay: float = Field(default=0.02, ge=0, description="of matrices; not of embeddings, norms, biases")
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of steps in which learning rates rise")
    dim: int = Field(default=256, ge=2, description="size of the shared space")
    projection_init: Literal["cca", "random"] = Field(
        default="cca", description="projections start from canonical correlation analysis, or at random"
    )
    temperature: float = Field(default=0.07, ge=0.001, le=0.5, description="where the learned temperature starts")
    keyword_share: float = Field(default=0.4, ge=0, le=1, description="share of captions made of keywords, if any")
    seed: int = Field(default=0, ge=0, description="decides order, captions chosen and initial weights")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where to train")
    precision: Literal["auto", "fp32", "bf16"] = Field(default="auto", description="of matrix products")

    @property
    def data_folder(self) -> Path:
        """The prepared data set's folder."""
        return Path(self.data) if self.data else Path("data") / self.lang

    @property
    def name(self) -> str:
        """The run's default name: language, strategy, towers where they are not the default, seed."""
        defaults = RunConfig.model_fields
        towers = [getattr(self, key) for key in ("text", "vision") if getattr(self, key) != defaults[key].default]
        safe = ["".join(c if c.isalnum() or c in ".-_" else "_" for c in part) for part in towers]
        return "-".join([self.lang, self.strategy, *safe, f"s{self.seed}"])

    def outcome(self) -> dict[str, Any]:
        """The settings as plain values, `None` left out (TOML has none)."""
        return self.model_dump(mode="json", exclude_none=True)


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
            hint = "" if key in RunConfig.model_fields else f" (keys: {known})"
            lines.append(f"  {key}: {mistake['msg']}{hint}")
        raise UserError(f"{len(lines)} mistake(s) in the settings of {origin}:\n" + "\n".join(lines)) from error


def read_settings(path: Path) -> dict[str, Any]:
    """The settings a TOML file holds, not yet checked, so that the command line can overrule them.

    Raises:
        UserError: no such file, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"The settings in {path} cannot be read: {error}") from error


def read(path: Path) -> RunConfig:
    """Settings of a TOML file; raises as `read_settings` and `make`."""
    return make(read_settings(path), str(path))


def write(config: RunConfig, path: Path) -> None:
    """Writes a file that `read` reads back as the same settings."""
    partial = path.with_suffix(".part")
    partial.write_text(tomli_w.dumps(config.outcome()), encoding="utf-8")
    partial.replace(path)
