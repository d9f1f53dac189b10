"""What kinds of claims give, and what is judged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pydantic
import pydantic.dataclasses

from mlilt.comparison import results
from mlilt.comparison.results import Group, Row
from mlilt.comparison.study import Study
from mlilt.comparison.words import label, language_name
from mlilt.evaluation.statistics import Sample, Verdict

# What kinds of claims are made with; their fields are their options.
claim = pydantic.dataclasses.dataclass(frozen=True, config=pydantic.ConfigDict(extra="forbid"))


def option(default: Any, about: str, **bounds: Any) -> Any:
    """An option of a kind of claim, as a field of its dataclass; `bounds` as pydantic knows them."""
    return pydantic.Field(default=default, description=about, **bounds)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that a claim says: of a method, in one place.

    Attributes:
        subject: the method.
        where: the language, by its English name.
        point: what else the place is: so many concepts.
        pairs: the two sides, item by item; several are averaged.
    """

    subject: str
    where: str
    point: str
    pairs: list[tuple[Sample, Sample]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a case.

    Attributes:
        subject, where, point: as in `Case`; where "all N languages" is their mean.
        pooled: whether it is over all languages.
        value, low, high: of what the claim is about, with its 95 % interval, in its unit.
        p: two-sided, against the claim's threshold, adjusted (Holm) for the claim's judgements of the same kind, pooled
            or not.
        verdict: whether the claim holds here.
    """

    subject: str
    where: str
    point: str
    pooled: bool
    value: float
    low: float
    high: float
    p: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a claim.

    Attributes:
        kind: its kind's name.
        says: the claim in a sentence.
        quantity: what is estimated, with its unit.
        threshold: what it has to exceed, in that unit.
        judgements: over all languages first, then by language.
        summary: in a sentence.
    """

    kind: str
    says: str
    quantity: str
    threshold: float
    judgements: list[Judgement]
    summary: str


class Claim(Protocol):
    """One module of this folder holds one as `CLAIM`, a frozen dataclass of its options."""

    @property
    def statistic(self) -> Literal["difference", "ratio"]:
        """What is made of the two sides."""
        ...

    @property
    def threshold(self) -> float:
        """What it has to exceed: a share, or a ratio."""
        ...

    @property
    def scale(self) -> float:
        """What values and threshold are multiplied by for people."""
        ...

    @property
    def says(self) -> str:
        """The claim in a sentence."""
        ...

    @property
    def quantity(self) -> str:
        """What is estimated, with its unit."""
        ...

    def cases(self, study: Study) -> list[Case]:
        """All that it says of a study."""
        ...


def against_full(study: Study, below_share: float = math.inf) -> Iterator[tuple[Group, Row, Row]]:
    """Each row with full-model training of its group, if it trains less than a share of the parameters."""
    for group in study.groups:
        for row in group.rows:
            # Not `Group.baseline`: that is whatever was asked for to be held against.
            kind = results.baseline(row.towers, group.baselines)
            full = None if kind is None or row.towers in group.baselines else group.baselines[kind]
            if full is not None and row.share < below_share:
                yield group, row, full


def of_queries(study: Study, held: Iterable[tuple[Group, Row, Row]]) -> list[Case]:
    """A case of each row and what it is held against, query by query: recall@10, text -> image."""
    return [
        case(study, group, row, [results.samples(group.members(row), group.members(full))]) for group, row, full in held
    ]


def case(study: Study, group: Group, row: Row, pairs: list[tuple[Sample, Sample]]) -> Case:
    """The case of a row in its group."""
    where = language_name(group.language)
    point = study.point(group)
    if len(group.trained_on) > 1:
        point = ", ".join(filter(None, [point, f"{len(group.trained_on)} languages together"]))
    return Case(label(group, row), where, point, pairs)
