"""Zero-shot classification of ImageNet's pictures by Babel-ImageNet's names and templates in a language.

Geigle, Timofte & Glavaš, "Babel-ImageNet", ACL 2024. For data sets prepared from the source babel-imagenet, whose
captions are the names of the classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from data_prep import categories
from data_prep.sources import babel_imagenet
from mlilt.assessment._base import Asked, Measured, Subject, Thing, first_rows
from mlilt.assessment._classes import classified
from mlilt.data import Row
from mlilt.record import RunRecord


class _ImageNet:
    before = False
    figures = ("accuracy",)
    needs = f"data prepared from {babel_imagenet.NAME}, and the folder with its files: --imagenet"

    def things(self, about: RunRecord, asked: Sequence[Asked]) -> list[Thing]:
        """Each language whose data has such pictures, if the user has the files."""
        known = [one for one in asked if one.imagenet and any(_is_its(row) for row in one.split.rows)]
        return [Thing((one,), hashlib.sha256(json.dumps(_prompts(one)).encode()).hexdigest()) for one in known]

    def measure(self, subject: Subject, asked: Sequence[Asked]) -> list[Measured]:
        """Among all classes that have a name in the language, also such as no picture is of."""
        [one] = asked
        prompts = _prompts(one)
        rows = one.split.rows
        names = {p: rows[p].captions[0] for p in first_rows(rows) if _is_its(rows[p])}
        # A name that a step of the preparation changed is none of the classes' any more.
        shown = {place: name for place, name in names.items() if name in prompts}
        if len(set(shown.values())) < 2:
            return []
        about = {"templates": len(next(iter(prompts.values()))), "left_out": len(names) - len(shown)}
        return [classified("imagenet", subject, one, shown, prompts, about)]

    def note(self, measured: Measured) -> str:
        """How many there are to tell apart, and by how many prompts each."""
        return f"{measured.about['among']} classes, {measured.about['templates']} templates"


def _is_its(row: Row) -> bool:
    return row.source == babel_imagenet.NAME


def _prompts(one: Asked) -> dict[str, list[str]]:
    assert one.imagenet is not None, "things() asks only with the files"
    return categories.class_prompts(one.language, one.imagenet)


TEST = _ImageNet()
