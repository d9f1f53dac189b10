"""Which split a folder, a file or a table's cell names, as the Hub understands such names."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_WORDS = {
    split: re.compile(rf"(?:.*[-._ 0-9])?(?:{'|'.join(words)})(?:[-._ 0-9].*)?") for split, words in _SPLITS.items()
}


def split_of(names: Iterable[str]) -> str:
    """The split that a folder or file says, as the Hub understands their names: train, val-01, my_test ...

    Args:
        names: of the folders from the outermost on, or a single name. The first that says a split decides.
    """
    return next((s for name in names for s, words in _WORDS.items() if words.fullmatch(name.casefold())), "")


def decided(splits: Iterable[str]) -> bool:
    """Whether these splits are a decision: all in train is none."""
    return bool(set(splits) & {"validation", "test"})
