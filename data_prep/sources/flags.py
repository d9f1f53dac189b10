"""Flags of countries and territories, captioned with CLDR's names of them in hundreds of locales."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.carriers import Https, Npm, Resource
from data_prep.errors import UserError
from data_prep.records import DropLog, Example, concept_id
from data_prep.sources._base import About
from data_prep.sources._emoji import VENDORS, read_emoji
from data_prep.sources._tables import read_table

NAME = "flags"
_VERSION = "48.2.0"

# The vendor's file holds another territory's flag (seen in emoji-data 16.0.0: Saudi Arabia's for Sark).
_WRONG = {("google", "CQ")}

_NAMES = Resource(
    "cldr-localenames-full",
    "fbb3d96318fc7f6a97b9a4a8dbbd3af6009a75eaca7bd9314fa0975ef2fd065a",
    (
        Npm(
            "cldr-localenames-full",
            _VERSION,
            "7f2ac7fd3b5d90f56ad127f9ed5ae67b58b3e556818f55530b9f47bb81bcde57",
            {"package/": ""},
        ),
        Https(
            f"https://github.com/unicode-org/cldr-json/releases/download/{_VERSION}/cldr-{_VERSION}-json-full.zip",
            None,
            {"cldr-localenames-full/": ""},
        ),
    ),
    ("main/*/territories.json",),
)


def _territories(files: Mapping[str, Path], locale: str, log: DropLog) -> dict[str, str]:
    path = files[_NAMES.name] / "main" / locale / "territories.json"
    if not path.is_file():
        raise UserError(f"CLDR {_VERSION} has no territory names for the locale {locale!r}.")
    table = read_table(path, ("main", locale, "localeDisplayNames", "territories"), dict, NAME, log)
    return {code: name for code, name in table.items() if isinstance(name, str)}


class Flags:
    """See the module's docstring."""

    about = About(
        title="Flags of the world with Unicode CLDR territory names",
        homepage="https://cldr.unicode.org",
        licences=("Unicode-3.0", "Apache-2.0", "CC-BY-4.0"),
        citation=f"Unicode, Inc. Common Locale Data Repository, release {_VERSION}.",
        pictures="64-pixel PNG drawings by two vendors, from the emoji-data project.",
        resources=(_NAMES, *(v.resource for v in VENDORS)),
    )

    def examples(self, locale: str, files: Mapping[str, Path], log: DropLog) -> Iterator[Example]:
        names = _territories(files, locale, log)
        english = names if locale == "en" else _territories(files, "en", log)
        for emoji in read_emoji(files, NAME, log, flags=True):
            code = emoji.territory
            assert code is not None
            if code not in english:
                log.drop(NAME, code, "CLDR has no English name for the territory")
                continue
            # Where CLDR has no translation, it repeats the code itself.
            name = names.get(code, code)
            # The flag is a concept of its own: a picture of the country is not the same as its flag.
            for vendor, path in emoji.pictures:
                if (vendor.name, code) in _WRONG:
                    log.drop(NAME, f"{code}/{vendor.name}", "the vendor's file shows another territory's flag")
                    continue
                yield Example(
                    picture=path,
                    captions=() if name == code else (name,),
                    captions_en=(english[code],),
                    concept=concept_id(f"flag: {english[code]}"),
                    source=NAME,
                    category="Flags",
                    variant=vendor.name,
                    licence=f"{vendor.licence}+Unicode-3.0",
                    attribution=f"{vendor.attribution}; Unicode CLDR",
                )


SOURCE = Flags()
