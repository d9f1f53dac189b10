"""Judges claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pydantic

from data_prep import registry
from data_prep.errors import UserError
from mlilt.comparison import claims as _package
from mlilt.comparison.claims._base import Case, Claim, Judgement, Result
from mlilt.comparison.study import Study
from mlilt.evaluation import statistics

# Draws of the bootstrap: enough for the smallest p to survive the correction for a hundred judgements.
RESAMPLES = 4_000
# So many cases are named in a summary; of more it says how many.
NAMED = 6


def names() -> list[str]:
    """Names of all kinds of claims, sorted."""
    return registry.names(_package)


def load(kind: str, options: Mapping[str, Any]) -> Claim:
    """A claim of a kind with its options.

    Raises:
        UnknownNameError: there is no such kind.
        UserError: an option that the kind does not have, or a value that it cannot have.
    """
    made = registry.module(_package, kind, "kind of claim").CLAIM
    try:
        return cast(Claim, pydantic.TypeAdapter(made).validate_python(dict(options)))
    except pydantic.ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, e['loc'])) or kind}: {e['msg']}" for e in error.errors())
        raise UserError(f"The claim {kind} has mistakes: {mistakes}.") from error


def judge_all(claims: Sequence[tuple[str, Mapping[str, Any]]], study: Study) -> list[Result]:
    """Judges an experiment's claims, each given by its kind and options."""
    return [judge(kind, load(kind, options), study) for kind, options in claims]


def judge(kind: str, claim: Claim, study: Study) -> Result:
    """Judges one claim: over all languages, and in each."""
    cases = claim.cases(study)
    pooled = _pooled(cases)
    judgements = [*_judged(claim, pooled, True), *_judged(claim, cases, False)]
    return Result(
        kind=kind,
        says=claim.says,
        quantity=claim.quantity,
        threshold=claim.threshold * claim.scale,
        judgements=judgements,
        summary=_summary(judgements),
    )


def _pooled(cases: Sequence[Case]) -> list[Case]:
    """Cases of one method at one point in several languages as one: their mean."""
    gathered: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        gathered.setdefault((case.subject, case.point), []).append(case)
    return [
        Case(subject, f"all {len(members)} languages", point, [pair for case in members for pair in case.pairs])
        for (subject, point), members in gathered.items()
        if len({case.where for case in members}) == len(members) > 1
    ]


def _judged(claim: Claim, cases: Sequence[Case], pooled: bool) -> list[Judgement]:
    estimate = statistics.difference if claim.statistic == "difference" else statistics.ratio
    found = [estimate(case.pairs, claim.threshold, resamples=RESAMPLES) for case in cases]
    adjusted = statistics.holm([1.0 if e.p is None else e.p for e in found])
    return [
        Judgement(
            subject=case.subject,
            where=case.where,
            point=case.point,
            pooled=pooled,
            value=e.value * claim.scale,
            low=e.low * claim.scale,
            high=e.high * claim.scale,
            p=p,
            verdict=statistics.verdict(e, claim.threshold, p),
        )
        for case, e, p in zip(cases, found, adjusted, strict=True)
    ]


def _summary(judgements: Sequence[Judgement]) -> str:
    if not judgements:
        return "Nothing here was measured that this is about."
    sentences = []
    pooled = [j for j in judgements if j.pooled]
    for where in dict.fromkeys(j.where for j in pooled):
        members = [j for j in pooled if j.where == where]
        sentences.append(f"Over {where}: {_counted(members, len(members) <= NAMED)}.")
    if single := [j for j in judgements if not j.pooled]:
        sentences.append(f"Of {len(single)} single comparisons it {_counted(single, False)}.")
    return " ".join(sentences)


def _counted(judgements: Sequence[Judgement], named: bool) -> str:
    """Where a claim holds, where it does not, and where it is undecided."""
    parts = []
    for verdict in ("holds", "does not hold", "undecided"):
        found = [_named(j) for j in judgements if j.verdict == verdict]
        if found and named:
            parts.append(f"{verdict} for {', '.join(found)}")
        elif found:
            parts.append(f"{'is ' * (verdict == 'undecided')}{verdict} in {len(found)}")
    return "; ".join(parts)


def _named(judgement: Judgement) -> str:
    return f"{judgement.subject} ({judgement.point})" if judgement.point else judgement.subject
