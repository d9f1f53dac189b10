"""Emoji pictures by several vendors, for the sources that caption them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from data_prep.carriers import Https, Npm, Resource
from data_prep.records import DropLog
from data_prep.sources._tables import read_table

_UPSTREAM = "https://github.com/iamcal/emoji-data/archive/refs/tags/v16.0.0.zip"


@dataclass(frozen=True, slots=True)
class Vendor:
    """One set of drawings, with its licence."""

    name: str
    licence: str
    attribution: str
    resource: Resource


def _vendor(name: str, licence: str, attribution: str, sha256: str, digest: str) -> Vendor:
    upstream = {
        "emoji-data-16.0.0/emoji.json": "emoji.json",
        f"emoji-data-16.0.0/img-{name}-64/": "64/",
    }
    carriers = (
        Npm(
            f"emoji-datasource-{name}",
            "16.0.0",
            sha256,
            {"package/emoji.json": "emoji.json", f"package/img/{name}/64/": "64/"},
        ),
        Https(_UPSTREAM, None, upstream),
    )
    return Vendor(name, licence, attribution, Resource(f"emoji-{name}", digest, carriers, ("emoji.json", "64/*.png")))


VENDORS = (
    _vendor(
        "google",
        "Apache-2.0",
        "Noto Emoji by Google",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
        "5c4647535817b8b18f018e194822047933127147d2e5e7b3aa7f2db80b337eb8",
    ),
    _vendor(
        "twitter",
        "CC-BY-4.0",
        "Twemoji by Twitter, Inc and other contributors",
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
        "95567e7306cda746d3b22d72d80fd7d49ed0fec45fc42851cbc1d61c0ad7875a",
    ),
)


@dataclass(frozen=True, slots=True)
class Emoji:
    """One base emoji (no skin tones).

    Attributes:
        characters: without U+FE0F, as CLDR writes them.
        territory: the two-letter code of a flag made of regional indicators, else None.
        category: the vendors' category.
        pictures: each with the vendor that drew it.
    """

    characters: str
    territory: str | None
    category: str
    pictures: tuple[tuple[Vendor, Path], ...]


def read_emoji(files: Mapping[str, Path], source: str, log: DropLog, flags: bool) -> Iterator[Emoji]:
    """Yields base emoji in the vendors' order: the flags of territories, or all others.

    Pictures that a vendor should have and lacks go to the log, and so do flags where the others are asked for.
    """
    folders = {vendor.name: files[vendor.resource.name] for vendor in VENDORS}
    for number, row in enumerate(read_table(folders["google"] / "emoji.json", (), list, source, log)):
        try:
            characters = "".join(chr(int(code, 16)) for code in row["unified"].split("-")).replace("\ufe0f", "")
            image, name, category = _file_name(row["image"]), str(row["short_name"]), str(row["category"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            log.drop(source, f"emoji.json, row {number}", "the row is damaged")
            continue
        territory = _territory(characters)
        if bool(territory) != flags:
            if territory:
                log.drop(source, f"flag {territory}", "a country's flag: left to the source flags")
            continue
        pictures = []
        for vendor in VENDORS:
            path = folders[vendor.name] / "64" / image
            if path.is_file():
                pictures.append((vendor, path))
            else:
                log.drop(source, f"{name}/{vendor.name}", "the vendor has no picture of it")
        yield Emoji(characters, territory, category, tuple(pictures))


def _file_name(value: str) -> str:
    """The name itself, if a path that ends in it stays within its folder."""
    if value != PurePosixPath(value).name or len(value.encode()) > 255 or "\\" in value or "\0" in value:
        raise ValueError(f"{value!r} is no name of a file")
    return value


def _territory(characters: str) -> str | None:
    letters = [ord(c) - 0x1F1E6 for c in characters]
    if len(letters) == 2 and all(0 <= n < 26 for n in letters):
        return "".join(chr(ord("A") + n) for n in letters)
    return None
