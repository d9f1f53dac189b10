"""Emoji and their names and keywords in about 165 locales, from Unicode CLDR's annotations.

Captions are CLDR's short names ("tts"), keywords its search words ("default"); the pictures are two vendors'
drawings of the same emoji. Country flags are left to the source `flags`, skin tones are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.carriers import Https, Npm, Resource
from data_prep.errors import UserError
from data_prep.records import DropLog, Example, concept_id
from data_prep.sources._base import About
from data_prep.sources._emoji import VENDORS, read_emoji
from data_prep.sources._tables import read_table

NAME = "cldr-emoji"
_VERSION = "48.2.0"
_UPSTREAM = f"https://github.com/unicode-org/cldr-json/releases/download/{_VERSION}/cldr-{_VERSION}-json-full.zip"


def _annotations(package: str, sha256: str, digest: str) -> Resource:
    return Resource(
        package,
        digest,
        (
            Npm(package, _VERSION, sha256, {"package/": ""}),
            Https(_UPSTREAM, None, {f"{package}/": ""}),
        ),
        ("*/annotations.json",),
    )


_BASE = _annotations(
    "cldr-annotations-full",
    "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    "a017d2bdbdf68e4c5b58105953b5633b3bdddc5a0380b0e52b7c69511ebd24da",
)
_DERIVED = _annotations(
    "cldr-annotations-derived-full",
    "4be946ff5815f806ec78b50363d577a769f2fbfb90c6380a44e161a92436996e",
    "3083a74e8f5e6f05317efafb2430b90cdd2043ec398c3e662418d43a9192a59f",
)
_TABLES = ((_BASE, "annotations"), (_DERIVED, "annotationsDerived"))


def _read(files: Mapping[str, Path], locale: str, log: DropLog) -> dict[str, dict[str, list[str]]]:
    """Annotations of a locale by characters; U+FE0F is left out, as in CLDR itself."""
    paths = [(files[r.name] / key / locale / "annotations.json", key) for r, key in _TABLES]
    if not any(path.is_file() for path, _ in paths):
        raise UserError(f"CLDR {_VERSION} has no annotations for the locale {locale!r}.")
    tables = [read_table(path, (key, "annotations"), dict, NAME, log) for path, key in paths if path.is_file()]
    return {
        characters.replace("\ufe0f", ""): {key: _words(entry, key) for key in ("tts", "default")}
        for table in tables
        for characters, entry in table.items()
    }


def _words(entry: object, key: str) -> list[str]:
    """Names or keywords of one emoji; none where the entry is damaged."""
    found = entry.get(key, []) if isinstance(entry, dict) else []
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []


class CldrEmoji:
    """See the module's docstring."""

    about = About(
        title="Unicode CLDR emoji annotations with Noto and Twemoji pictures",
        homepage="https://cldr.unicode.org",
        licences=("Unicode-3.0", "Apache-2.0", "CC-BY-4.0"),
        citation=f"Unicode, Inc. Common Locale Data Repository, release {_VERSION}.",
        pictures="64-pixel PNG drawings by two vendors, from the emoji-data project.",
        resources=(_BASE, _DERIVED, *(v.resource for v in VENDORS)),
    )

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        annotations = _read(files, locale, log)
        english = annotations if locale == "en" else _read(files, "en", log)
        for emoji in read_emoji(files, NAME, log, flags=False):
            name_en = english.get(emoji.characters, {}).get("tts", [])
            if not name_en:
                log.drop(NAME, repr(emoji.characters), "CLDR has no English name for it")
                continue
            entry = annotations.get(emoji.characters, {})
            names = tuple(entry.get("tts", []))
            for vendor, path in emoji.pictures:
                yield Example(
                    picture=path,
                    captions=names,
                    keywords=tuple(k for k in entry.get("default", []) if k not in names),
                    captions_en=tuple(name_en),
                    keywords_en=tuple(english[emoji.characters].get("default", [])),
                    concept=concept_id(name_en[0]),
                    source=NAME,
                    category=emoji.category,
                    variant=vendor.name,
                    licence=f"{vendor.licence}+Unicode-3.0",
                    attribution=f"{vendor.attribution}; Unicode CLDR",
                )


SOURCE = CldrEmoji()
