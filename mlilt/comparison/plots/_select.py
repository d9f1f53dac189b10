"""Which groups and rows plots are about."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence

from mlilt.comparison.results import Group, Method, Row
from mlilt.comparison.study import Study
from mlilt.comparison.words import language_name

# What settings differ in where these do.
LANGUAGE = ("lang", "data_sha256", "text_sha256")
SIZE = ("concepts", "min_steps")
TOWERS = ("text", "vision", "trim_vocab", "text_sha256", "vision_sha256")

# Groups, or languages, of which each gets plots of its own.
FEW = 8


def alike(groups: Sequence[Group], but_for: Collection[str]) -> list[list[Group]]:
    """Groups that differ in some settings alone, and in the language asked if "lang" is one of them."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        joint = len(group.trained_on) if "lang" in but_for else group.language
        found.setdefault(json.dumps([joint, group.but_for(but_for)], sort_keys=True), []).append(group)
    return list(found.values())


def single(groups: Sequence[Group]) -> list[Group]:
    """Groups that were trained on one language."""
    return [group for group in groups if len(group.trained_on) == 1]


def largest(groups: Sequence[Group], by_training: bool = False) -> list[Group]:
    """One group a language asked, or a training set: the one of the most concepts, then of the largest towers."""
    found: dict[str, Group] = {}
    for group in groups:
        key = group.setting["lang"] if by_training else group.language
        if key not in found or _weight(group) > _weight(found[key]):
            found[key] = group
    return list(found.values())


def _weight(group: Group) -> tuple[bool, bool, int, int]:
    concepts = group.setting.get("concepts")
    return len(group.trained_on) == 1, concepts is None, concepts or 0, parameters(group)


def parameters(group: Group) -> int:
    """Parameters of both towers as they trained: a trimmed vocabulary counts as it is, what a method adds does not."""
    return min(run.record.trained.text_total + run.record.trained.vision_total for run in group.runs)


def shown(study: Study) -> list[Group]:
    """Groups that get plots of their own: all if they are few, else the largest of each language."""
    return list(study.groups) if len(study.groups) <= FEW else largest(study.groups)


def same(group: Group, method: Method) -> Row | None:
    """A group's row of a method."""
    return next((row for row in group.rows if row.method == method), None)


def common(groups: Sequence[Group]) -> list[list[Row]]:
    """Rows of the methods that all groups have: one list a method, in the order of the groups."""
    found = [[same(group, row.method) for group in groups] for row in groups[0].rows]
    return [[row for row in rows if row is not None] for rows in found if None not in rows]


def chance(groups: Sequence[Group]) -> float:
    """Text -> image recall@10 of a random order, the mean over groups."""
    found = [group.runs[0].results["all"].text_to_image.chance_recall_at_10 for group in groups]
    return sum(found) / len(found)


def whole(study: Study) -> list[tuple[Group, list[Group]]]:
    """Each training set at its largest: its group that is named after the first language, and all asked of it."""
    first = [group for group in study.groups if group.language == group.trained_on[0]]
    return [
        (group, [other for other in study.groups if other.setting == group.setting])
        for group in largest(first, by_training=True)
    ]


def where(group: Group) -> str:
    """What was trained on: one language by its name, more by their number if many."""
    names = [language_name(code) for code in group.trained_on]
    return " + ".join(names) if len(names) < 4 else f"{len(names)} languages together"


def title(study: Study, group: Group) -> str:
    """The language asked, what it was trained together with, and what tells the group from others of it."""
    said = language_name(group.language)
    if len(group.trained_on) > 1:
        said += f", trained with {len(group.trained_on) - 1} more"
    return f"{said}, {study.point(group)}" if study.point(group) else said


def stem(study: Study, group: Group) -> str:
    """The same for a file's name."""
    with_others = f"of {len(group.trained_on)}" if len(group.trained_on) > 1 else ""
    return slug(f"{group.language} {with_others} {study.point(group)}")


def slug(text: str) -> str:
    """Letters, digits and dashes alone."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
