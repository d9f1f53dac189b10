"""Texts of the page, one JSON file a language; English is what others are held against."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

REFERENCE = "en"


@cache
def texts() -> dict[str, dict[str, str]]:
    """All languages by their code, each with all keys.

    Raises:
        ValueError: a file lacks a key, has one too many, or leaves out what a text must name.
    """
    folder = resources.files(__name__)
    files = sorted(path.name for path in folder.iterdir() if path.name.endswith(".json"))
    found = {name.removesuffix(".json"): json.loads((folder / name).read_text(encoding="utf-8")) for name in files}
    for code, told in found.items():
        if differing := set(told) ^ set(found[REFERENCE]):
            raise ValueError(f"{code}.json and {REFERENCE}.json differ in {', '.join(sorted(differing))}")
        for key, text in told.items():
            if _named(text) != _named(found[REFERENCE][key]):
                raise ValueError(f"{code}.json: {key} must name {' '.join(sorted(_named(found[REFERENCE][key])))}")
        if told["direction"] not in {"ltr", "rtl"}:
            raise ValueError(f"{code}.json: direction is ltr or rtl")
    return found


def _named(text: str) -> set[str]:
    return {part.partition("}")[0] for part in text.split("{")[1:]}
