"""Errors that a user can mend. The command line prints them without a traceback and exits with 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right; the message says what was expected, what came and what to do."""


class SaidElsewhere(UserError):
    """An error that another process of the same command tells already."""


class UnknownNameError(UserError):
    """A name that is not among the known ones; the message suggests the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        folded = {n.casefold(): n for n in names}
        near = [folded[n] for n in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)]
        message = f"There is no {kind} named {name!r}."
        if near:
            message += f" Did you mean {', '.join(near)}?"
        elif names:
            message += f" Known: {', '.join(names)}."
        super().__init__(f"{message} {hint}".strip())
