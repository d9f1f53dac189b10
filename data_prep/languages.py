"""Reads the files of languages/: data only, one TOML a language."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_prep import toml
from data_prep.errors import UnknownNameError, UserError

_SHIPPED = Path(__file__).resolve().parent.parent / "languages"
_UNSPACED = {"Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"}
_Text = Annotated[str, Field(min_length=1)]
Macroarea = Literal["Africa", "Australia", "Eurasia", "North America", "Papunesia", "South America"]


class Language(BaseModel):
    """What is known of one language. The file's name is the language's code."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    code: str = Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="BCP-47 tag; the file's name")
    iso639_1: str | None = Field(default=None, pattern=r"^[a-z]{2}$", description="ISO 639-1 code, if there is one")
    iso639_3: str = Field(pattern=r"^[a-z]{3}$", description="ISO 639-3 code of the individual language")
    flores200: list[Annotated[str, Field(pattern=r"^[a-z]{3}_[A-Z][a-z]{3}$")]] = Field(
        default_factory=list, description="FLORES-200 codes, which NLLB models take, the best first; several have none"
    )
    name: str = Field(min_length=1, description="name in English")
    autonym: str = Field(min_length=1, description="the language's own name for itself")
    script: str = Field(pattern=r"^[A-Z][a-z]{3}$", description="ISO 15924 code of the script captions are in")
    direction: Literal["ltr", "rtl"] = Field(default="ltr", description="writing direction")
    family: _Text | None = Field(default=None, description="language family, by Glottolog's name")
    branch: _Text | None = Field(default=None, description="well-known group of languages within the family")
    macroarea: Macroarea | None = Field(default=None, description="where it is at home, in Glottolog's terms")
    pretraining: list[Literal["xlm-r", "mbert"]] | None = Field(
        default=None, description="models that saw it, in this script, in their pretraining; empty: neither did"
    )
    sources: dict[str, _Text] = Field(
        min_length=1,
        description="sources that hold captions, or class names and templates for zero-shot, in it, each with the "
        "locale code the source files it under",
    )
    steps: dict[str, dict[str, str | int | float | bool]] = Field(
        default_factory=dict, description="options of steps that suit the language, by the step's name"
    )
    caveats: list[_Text] = Field(default_factory=list, description="what a user of the data should know")

    @property
    def spaced(self) -> bool:
        """True if words are written with spaces between them."""
        return self.script not in _UNSPACED


def folders() -> list[Path]:
    """Folders that are scanned: those in MLILT_LANGUAGES (separated as in PATH), then the shipped one."""
    own = os.environ.get("MLILT_LANGUAGES", "")
    return [Path(p) for p in own.split(os.pathsep) if p] + [_SHIPPED]


def _files() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def schema() -> str:
    """The JSON Schema of a language file, as text: what languages/schema.json holds, for editors."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Language.model_json_schema()}
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _mistake(error: Any) -> str:
    """One mistake of a file: its key, what came, and what is to be there."""
    key, kind = ".".join(map(str, error["loc"])), error["type"]
    known = Language.model_fields
    if kind == "extra_forbidden":
        return f"{key}: {UnknownNameError('key', key, known)}"
    field = known.get(str(error["loc"][0])) if error["loc"] else None
    wanted = f" ({field.description})" if field else ""
    if kind == "missing":
        return f"{key}: is missing{wanted}"
    return f"{key}: {error['msg']}, not {error['input']!r}{wanted}"


def read_language(path: Path) -> Language:
    """Reads and checks one language file.

    Raises:
        UserError: names every mistake in the file at once, each with its key.
    """
    data = toml.read(path)
    try:
        language = Language.model_validate(data)
    except ValidationError as error:
        lines = [f"  {_mistake(e)}" for e in error.errors()]
        raise UserError(f"{path} has {len(lines)} mistake(s):\n" + "\n".join(lines)) from error
    if language.code != path.stem:
        raise UserError(f"{path}: code is {language.code!r}, but the file's name says {path.stem!r}. Make them equal.")
    return language


def load_language(code: str) -> Language:
    """The language with this code.

    Raises:
        UnknownNameError: there is no file for it; the message suggests the nearest codes and says how to add one.
    """
    files = _files()
    if code in files:
        return read_language(files[code])
    by_name: dict[str, str] = {}
    for lang in load_languages():
        for name in (lang.iso639_3, lang.autonym, lang.name, lang.code):
            # Where two share a name, such as cmn, the one without a script goes first.
            by_name.setdefault(name.casefold(), lang.code)
    if code.casefold() in by_name:
        raise UserError(f"There is no language code {code!r}. Did you mean {by_name[code.casefold()]}?")
    raise UnknownNameError(
        "language",
        code,
        files,
        "`mlilt languages` lists them; `mlilt languages new CODE` writes a first file for another.",
    )


def load_languages() -> list[Language]:
    """All languages there are, by code."""
    return [read_language(path) for _, path in sorted(_files().items())]
