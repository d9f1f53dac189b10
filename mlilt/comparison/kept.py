"""What runs keep of what their towers knew: each test's means, beside before training and full-model training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlilt.comparison.results import Group, Row, Run
from mlilt.comparison.study import Study
from mlilt.evaluation import statistics
from mlilt.evaluation.statistics import Estimate, Sample

# Of each test: part and figure.
FIGURES = {
    "retrieval": ("text_to_image", "recall_at_10"),
    "zero-shot": ("", "accuracy"),
    "imagenet": ("", "accuracy"),
    "bitext": ("", "accuracy"),
    "neighbours": ("", "accuracy"),
}
# What a mean is over.
UNTRAINED = "languages never trained"
PAIRS, WITH, WITHOUT = "all pairs", "pairs with a language trained", "pairs of languages never trained"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a method reaches in a test, over its seeds.

    Attributes:
        group, row: the method.
        test: by its name in mlilt/assessment.
        over: a language, categories, or what the mean is over: one of the names above.
        things: what the mean is over, each by its name.
        after: after training, a share of 0 to 1 with its interval.
        before: the same of the towers before training, where they can be asked; of means alone.
        change: since then, paired by item; of means alone.
        against: the difference to the row that the method is held against, paired by item and seed; of means alone.
        chance: what a random order reaches.
    """

    group: Group
    row: Row
    test: str
    over: str
    things: tuple[str, ...]
    after: Estimate
    before: Estimate | None
    change: Estimate | None
    against: Estimate | None
    chance: float | None


def gather(study: Study) -> list[Kept]:
    """All of a study, by group, row and test, means first; a joint run counts once, whatever it was asked in."""
    found = []
    seen: set[frozenset[Path]] = set()
    for group in study.groups:
        runs = frozenset(run.folder for run in group.runs)
        if runs in seen:
            continue
        seen.add(runs)
        for row in group.rows:
            for test in FIGURES:
                found += _of_test(study, group, row, test)
    return found


def _of_test(study: Study, group: Group, row: Row, test: str) -> list[Kept]:
    part, figure = FIGURES[test]
    members, full = group.members(row), group.baseline(row)

    def held(thing: str) -> Sample | None:
        return study.measured(group.members(full), test, thing, figure, part) if full else None

    after = _known(study.things(test, part), lambda thing: study.measured(members, test, thing, figure, part))
    before = _known(after, lambda thing: study.measured_before(members, test, thing, figure, part))
    # Runs whose data is elsewhere may have been asked other things.
    before = {thing: there for thing, there in before.items() if set(there.items) == set(after[thing].items)}
    against = _known(after, held)
    chance = _chance(study, members[0], test, part, figure)
    found = []
    for over, things in _means(group, test, list(after)).items():
        if not things:
            continue
        # What a language gains or loses by itself is seldom more than noise, and takes half of the time.
        whole = over not in things or test == "neighbours"
        found.append(
            Kept(
                group=group,
                row=row,
                test=test,
                over=over,
                things=tuple(things),
                after=statistics.mean([after[thing] for thing in things]),
                before=_mean(before, things) if whole else None,
                change=_difference(after, before, things) if whole else None,
                against=_difference(after, against, things) if whole else None,
                chance=float(np.mean([chance[thing] for thing in things])) if chance.keys() >= set(things) else None,
            )
        )
    return found


def _means(group: Group, test: str, things: Sequence[str]) -> dict[str, list[str]]:
    """What means are made of, by what they are over."""
    if test == "neighbours":
        return {thing: [thing] for thing in things}
    trained = set(group.trained_on)
    if test == "bitext":
        touched = [on for on in things if any(on.startswith(f"{c}-") or on.endswith(f"-{c}") for c in trained)]
        return {PAIRS: list(things), WITH: touched, WITHOUT: [thing for thing in things if thing not in touched]}
    return {UNTRAINED: [thing for thing in things if thing not in trained], **{thing: [thing] for thing in things}}


def _known(things: Sequence[str] | dict[str, Sample], get: Callable[[str], Sample | None]) -> dict[str, Sample]:
    found = {thing: get(thing) for thing in things}
    return {thing: sample for thing, sample in found.items() if sample is not None}


def _mean(samples: dict[str, Sample], things: Sequence[str]) -> Estimate | None:
    return statistics.mean([samples[thing] for thing in things]) if samples.keys() >= set(things) else None


def _difference(ours: dict[str, Sample], theirs: dict[str, Sample], things: Sequence[str]) -> Estimate | None:
    if not theirs.keys() >= set(things):
        return None
    return statistics.difference([(ours[thing], theirs[thing]) for thing in things])


def _chance(study: Study, run: Run, test: str, part: str, figure: str) -> dict[str, float]:
    measured = study.assessed.get(run.folder, [])
    return {m.on: m.chance[figure] for m in measured if (m.test, m.part) == (test, part) and figure in m.chance}


@dataclass(frozen=True, slots=True)
class Calibrated:
    """How sure a method is of what it finds; means over its seeds and the languages trained on.

    Attributes:
        group, row: the method.
        temperature: as learned.
        error: expected calibration error.
        loss: negative log-likelihood of the right picture, nats.
        best_temperature: the one of least loss on the test split, found after training.
        best_error, best_loss: there.
    """

    group: Group
    row: Row
    temperature: float
    error: float
    loss: float
    best_temperature: float
    best_error: float
    best_loss: float


def calibration(study: Study) -> list[Calibrated]:
    """Of each row all of whose runs were put to the test."""
    found = []
    for group, row in study.rows():
        runs = [study.found(run, "calibration", group.language) for run in group.members(row)]
        measured = [m for m in runs if m is not None]
        if len(measured) < len(runs):
            continue
        told = {
            key: float(np.mean([m.about[key] for m in measured]))
            for key in ("temperature", "error", "best_temperature", "best_error", "best_loss")
        }
        found.append(Calibrated(group, row, loss=float(np.mean([m.values["loss"] for m in measured])), **told))
    return found
