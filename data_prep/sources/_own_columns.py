"""Finds out what the columns of the user's own data hold, by their names, and reads their cells."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_prep.errors import UnknownNameError, UserError
from data_prep.sources._own_language import Tongue, english

# What a column can be, with the names it is told by, in this order of preference.
ROLES: dict[str, tuple[str, ...]] = {
    "picture": (
        *("picture", "image", "img", "photo"),
        *("picture_path", "image_path", "img_path", "picture_file", "image_file", "img_file", "photo_path"),
        *("file_name", "filename", "image_file_name", "image_filename", "image_name", "file_path", "filepath"),
        *("path", "file", "image_url", "img_url", "picture_url", "photo_url", "url"),
    ),
    "caption": (
        *("caption", "captions", "text", "texts", "sentence", "sentences", "title", "description", "descriptions"),
        *("comment", "alt_text"),
    ),
    "english": ("caption_en", "captions_en", "english", "english_caption", "caption_english", "text_en"),
    "language": ("language", "lang", "locale", "language_code", "lang_code", "iso639_3", "iso_639_3"),
    "split": ("split", "subset", "partition"),
    "licence": ("licence", "license", "licence_spdx", "license_spdx"),
    "attribution": ("attribution", "author", "authors", "credit", "credits", "photographer", "creator", "artist"),
    "id": ("id", "picture_id", "image_id", "img_id", "imageid", "key"),
    "category": ("category", "class", "label", "topic", "supercategory"),
}
# Not a column, but the configuration of a data set of the Hub.
CONFIG = "config"
NO_LICENCE = "LicenseRef-own"

_CAPTION_WORD = r"(?:captions?|texts?|sentences?|titles?|descriptions?)"
# Names of columns that are no language's, though "id" is Indonesian's code and "no" Norwegian's.
_TAKEN = {"no", *(name for role, names in ROLES.items() if role != "english" for name in names)}


def plain(name: str) -> str:
    """A column's name in small letters, with single underscores for all that is neither letter nor digit."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what; empty where there is none. Captions may be spread over several columns."""

    picture: str
    caption: tuple[str, ...]
    english: tuple[str, ...]
    language: str
    split: str
    licence: str
    attribution: str
    id: str
    category: str

    @property
    def wanted(self) -> tuple[str, ...]:
        """All of them that are there, each once."""
        single = (self.picture, self.language, self.split, self.licence, self.attribution, self.id, self.category)
        return tuple(dict.fromkeys(name for name in (*single, *self.caption, *self.english) if name))


def roles(given: Mapping[str, str]) -> dict[str, str]:
    """The user's choice of columns by role; a role may be called by any name its column could have.

    Raises:
        UnknownNameError: there is no such role.
    """
    chosen = {}
    for role, column in given.items():
        name = plain(role)
        known = name if name in {*ROLES, CONFIG} else next((r for r, names in ROLES.items() if name in names), None)
        if known is None:
            raise UnknownNameError("role of a column", role, [*ROLES, CONFIG])
        chosen[known] = column
    return chosen


def find_columns(
    names: Sequence[str],
    given: Mapping[str, str],
    tongue: Tongue,
    where: str,
    pictures: Sequence[str] = (),
    needs: Sequence[str] = ("picture", "caption"),
) -> Columns:
    """Finds out which of the columns `names` holds what.

    Args:
        names: the columns there are.
        given: those that the user named, by role; an empty text says that there is none.
        tongue: the language; a column caption_sw or swahili holds captions if it is that language's.
        where: the file's name, for errors.
        pictures: columns that hold pictures themselves, not their paths; they go before others.
        needs: roles without which nothing can be read, unless the user said that there is none.

    Raises:
        UserError: the user named a column that is not there, or one of `needs` cannot be told.
    """
    chosen = roles(given)
    for role, column in chosen.items():
        if role != CONFIG and column and column not in names:
            raise UnknownNameError(f"column in {where}", column, names, f"Mend --column {role}={column}.")
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(plain(name), name)

    def found(role: str) -> tuple[str, ...]:
        if role in chosen:
            return (chosen[role],) if chosen[role] else ()
        named = tuple(by_name[name] for name in ROLES[role] if name in by_name)[:1]
        if role == "picture":
            # The Hub's folders of pictures may call the path x_file_name.
            return (*pictures, *named, *(column for name, column in by_name.items() if name.endswith("_file_name")))[:1]
        if role == "caption":
            return _suffixed(by_name, tongue) or named or _numbered(by_name) or _bare(by_name, tongue)
        if role == "english":
            if tongue.is_named("en"):
                return ()
            return _suffixed(by_name, english()) or named or _bare(by_name, english())
        return named

    by_role = {role: found(role) for role in ROLES}
    for role in needs:
        if not by_role[role] and role not in chosen:
            some = next((name for name in names if name not in by_role["picture"]), "NAME")
            raise UserError(
                f"{where}: which column holds the {role}? It has the columns {', '.join(names)}. "
                f"Say it with --column, for example: --column {role}={some}"
            )
    one = {role: next(iter(columns), "") for role, columns in by_role.items() if role not in {"caption", "english"}}
    return Columns(caption=by_role["caption"], english=by_role["english"], **one)


def _suffixed(by_name: Mapping[str, str], tongue: Tongue) -> tuple[str, ...]:
    """Columns such as caption_sw or swahili_caption."""
    pattern = re.compile(rf"{_CAPTION_WORD}_(?P<behind>.+)|(?P<before>.+)_{_CAPTION_WORD}")
    found = []
    for name, column in by_name.items():
        if (match := pattern.fullmatch(name)) and tongue.is_named(match["behind"] or match["before"]):
            found.append(column)
    return tuple(found)


def _bare(by_name: Mapping[str, str], tongue: Tongue) -> tuple[str, ...]:
    """A column called by the language itself: swh, swahili; sw if that cannot be anything else."""
    return tuple(column for name, column in by_name.items() if name in tongue.names and name not in _TAKEN)[:1]


def _numbered(by_name: Mapping[str, str]) -> tuple[str, ...]:
    """Columns such as caption_0, caption_1 or sentence1, by their number."""
    matches = [(re.fullmatch(rf"{_CAPTION_WORD}_?(\d{{1,9}})", name), column) for name, column in by_name.items()]
    return tuple(column for _, column in sorted((int(match[1]), column) for match, column in matches if match))


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a cell: one text, a list of texts, or a text that is such a list as JSON or Python writes it.

    Raises:
        ValueError: it holds something else.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ()
    if isinstance(value, str):
        stripped = value.strip()
        if stripped[:1] == "[" and stripped[-1:] == "]":
            for read in (json.loads, ast.literal_eval):
                try:
                    inside = read(stripped)
                except (ValueError, SyntaxError, RecursionError, MemoryError):
                    continue
                if isinstance(inside, list) and all(isinstance(text, str) for text in inside):
                    return texts(inside)
        return (stripped,) if stripped else ()
    if isinstance(value, list | tuple):
        if all(isinstance(text, str) for text in value):
            return tuple(text.strip() for text in value if text.strip())
        raise ValueError("a list of something else than texts")
    raise ValueError("not a text")


def text(value: Any) -> str:
    """A cell as one short text: numbers as they are written, empty for nothing; of a list all, with commas."""
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(text, value)))
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # numbers with gaps among them come as floats
    return str(value).strip()


_CREATIVE_COMMONS = re.compile(
    r"(?:.*creativecommons\.org/(?:licenses|publicdomain)/|cc[-_ ]*|creative commons[-_ ]*)"
    r"(?P<kind>zero|0|(?:attribution|by)(?:[-_ ]*(?:nc|sa|nd))*)(?:[-_ /]+(?P<version>\d\.\d))?(?:[/ ].*)?"
)


def licence_id(value: str) -> str:
    """An SPDX identifier for a licence as people write it, such as "CC BY-SA 4.0" or its address.

    What is no identifier becomes one of SPDX's form for own licences: "LicenseRef-" and its words.
    """
    if not value:
        return NO_LICENCE
    if match := _CREATIVE_COMMONS.fullmatch(value.casefold()):
        parts = re.findall(r"by|nc|sa|nd", match["kind"].replace("attribution", "by"))
        if not parts:
            return "CC0-1.0"
        if match["version"]:
            return "-".join(["CC", *(part.upper() for part in parts), match["version"]])
    if re.fullmatch(r"[A-Za-z0-9.\-]+", value) and not match:
        return value
    words = re.sub(r"[^A-Za-z0-9.]+", "-", value).strip("-.")[:60]
    return f"LicenseRef-{words}" if words else NO_LICENCE
