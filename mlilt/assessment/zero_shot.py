"""Zero-shot classification of test pictures by their categories' names in a language (Unicode CLDR's)."""

from __future__ import annotations

from collections.abc import Sequence

from data_prep import categories
from mlilt.assessment._base import Asked, Measured, Subject, Thing, each_language, first_rows
from mlilt.assessment._classes import classified
from mlilt.record import RunRecord

# With fewer names there is little to tell apart.
FEWEST = 4


class _ZeroShot:
    before = False
    figures = ("accuracy", "balanced")
    needs = f"pictures of {FEWEST} categories that Unicode CLDR names in the language"

    def things(self, about: RunRecord, asked: Sequence[Asked]) -> list[Thing]:
        """Each language."""
        return each_language(asked)

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Of the pictures whose category has a name in the language, among the categories that are there."""
        [one] = asked
        names = categories.names(one.language, subject.offline, subject.progress)
        rows = one.split.rows
        classes = {place: categories.canonical(rows[place].source, rows[place].category) for place in first_rows(rows)}
        shown = {place: name for place, name in classes.items() if name in names}
        if len(set(shown.values())) < FEWEST:
            return []
        there = {name: label for name, label in names.items() if name in shown.values()}
        prompts = {name: categories.prompts(label, categories.templates(one.language)) for name, label in there.items()}
        return [classified("zero-shot", subject, one, shown, prompts, {"classes": there})]

    def note(self, measured: Measured) -> str:
        """How many there are to tell apart."""
        return f"{measured.about['among']} classes"


TEST = _ZeroShot()
