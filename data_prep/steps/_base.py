"""What a step is: the contract each module in this folder fulfils, by an object STEP, which is a class.

A step's class is a frozen dataclass whose fields are its options, made with `option`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Any, Protocol

from data_prep.languages import Language
from data_prep.records import DropLog, Example
from data_prep.rows import Rows


def option(default: Any, about: str) -> Any:
    """A field of a step's dataclass."""
    return field(default=default, metadata={"about": about})


class Step(Protocol):
    """Takes Examples and yields Examples, one after the other; tells the log whatever it leaves out or changes.

    It sees the data set in pieces, each in a process of its own maybe, so it keeps nothing from one to the next.
    """

    def apply(self, examples: Iterable[Example], language: Language, log: DropLog) -> Iterator[Example]:
        """Yields the examples that stay, in their order."""
        ...


class Judge(Protocol):
    """A step that sees the whole data set at once, after all others have seen its pieces; pictures aside."""

    def judge(self, rows: Rows, language: Language, log: DropLog) -> None:
        """Leaves rows out (`rows.leave_out`), flags them (`rows.flag`), or sets their split."""
        ...
