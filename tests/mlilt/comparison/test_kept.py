"""Means of what runs keep, against plain loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from mlilt.assessment import Measured
from mlilt.comparison import kept, results
from mlilt.comparison.study import Study, towers_key

RANKS = {"sw": [1, 3, 7, 20]}
ITEMS = [f"i{n}" for n in range(12)]


def measured(test: str, on: str, seed: int, part: str = "", figure: str = "accuracy", chance: float = 0.1) -> Measured:
    values = np.random.default_rng([seed, *on.encode()]).integers(0, 2, len(ITEMS)).astype(float).tolist()
    return Measured(
        test=test, on=on, part=part, items=ITEMS, clusters=ITEMS, values={figure: values}, chance={figure: chance}
    )


def retrieval(on: str, seed: int) -> Measured:
    return measured("retrieval", on, seed, "text_to_image", "recall_at_10", chance=0.01 * len(on))


def study(folders: list[Path], assessed: Mapping[str, list[Measured]], before: list[Measured]) -> Study:
    runs = [run for folder in folders for run in results.read_run(folder)]
    return Study(
        results.group(runs),
        {run.folder: assessed[run.folder.name] for run in runs if run.folder.name in assessed},
        {towers_key(runs[0].record): before},
    )


def mean(*found: Measured) -> float:
    return fmean(value for one in found for value in next(iter(one.values.values())))


def test_retrieval_is_averaged_over_languages_that_were_not_trained_and_held_against_full_training(
    write_run: Callable[..., Path],
) -> None:
    folders = [write_run(RANKS, name=f"{s}{n}", strategy=s, seed=n) for s in ("bitfit", "full") for n in (0, 1)]
    assessed = {folder.name: [retrieval(on, seed) for on in ("am", "en", "sw")] for seed, folder in enumerate(folders)}
    found = {(k.row.strategy, k.over): k for k in kept.gather(study(folders, assessed, []))}
    assert found.keys() == {(s, on) for s in ("bitfit", "full") for on in (kept.UNTRAINED, "am", "en", "sw")}

    def reached(strategy: str, *languages: str) -> float:
        return mean(*(one for n in (0, 1) for one in assessed[f"{strategy}{n}"] if one.on in languages))

    ours = found["bitfit", kept.UNTRAINED]
    assert ours.things == ("am", "en")
    assert ours.after.value == pytest.approx(reached("bitfit", "am", "en"))
    assert ours.chance == pytest.approx(0.02)
    assert ours.against is not None
    assert ours.against.value == pytest.approx(reached("bitfit", "am", "en") - reached("full", "am", "en"))
    assert ours.against.low <= ours.against.value <= ours.against.high
    assert (ours.before, ours.change) == (None, None)
    assert found["full", kept.UNTRAINED].against is None
    assert found["bitfit", "sw"].after.value == pytest.approx(reached("bitfit", "sw"))


def test_bitext_is_held_against_before_by_whether_a_language_was_trained(write_run: Callable[..., Path]) -> None:
    folder = write_run(RANKS)
    pairs = ("am-en", "am-sw", "en-sw", "am-sr-Latn", "sr-Latn-sw")
    after, before = ([measured("bitext", on, seed) for on in pairs] for seed in (1, 2))
    found = {k.over: k for k in kept.gather(study([folder], {folder.name: after}, before))}
    expected = {
        kept.PAIRS: pairs,
        kept.WITH: ("am-sw", "en-sw", "sr-Latn-sw"),
        kept.WITHOUT: ("am-en", "am-sr-Latn"),
    }
    assert found.keys() == expected.keys()
    for over, things in expected.items():
        k = found[over]
        assert sorted(k.things) == sorted(things)
        ours, theirs = ([one for one in there if one.on in things] for there in (after, before))
        assert k.before is not None
        assert k.change is not None
        assert k.before.value == pytest.approx(mean(*theirs))
        assert k.change.value == pytest.approx(mean(*ours) - mean(*theirs))


def test_a_run_of_several_languages_counts_once(write_run: Callable[..., Path]) -> None:
    folder = write_run({"sw": [1, 2, 3], "yo": [1, 2, 3]})
    made = study([folder], {folder.name: [retrieval(on, 0) for on in ("en", "sw", "yo")]}, [])
    assert len(made.groups) == 2
    [whole] = [k for k in kept.gather(made) if k.over == kept.UNTRAINED]
    assert whole.things == ("en",)


def test_what_one_seed_was_not_put_to_is_left_out(write_run: Callable[..., Path]) -> None:
    folders = [write_run(RANKS, seed=n) for n in (0, 1)]
    assessed = {
        folders[0].name: [retrieval("am", 0), retrieval("en", 0)],
        folders[1].name: [retrieval("am", 1)],
    }
    assert {k.over for k in kept.gather(study(folders, assessed, []))} == {kept.UNTRAINED, "am"}


def test_calibration_is_the_mean_over_seeds(write_run: Callable[..., Path]) -> None:
    folders = [write_run(RANKS, seed=n) for n in (0, 1)]
    about = {"temperature": 0.05, "error": 0.1, "best_temperature": 0.04, "best_error": 0.02, "best_loss": 1.0}

    def sure(factor: float) -> Measured:
        loss = [factor * n for n in range(len(ITEMS))]
        told = {key: factor * value for key, value in about.items()}
        return Measured(test="calibration", on="sw", items=ITEMS, clusters=ITEMS, values={"loss": loss}, about=told)

    both = {folders[0].name: [sure(1)], folders[1].name: [sure(2)]}
    [found] = kept.calibration(study(folders, both, []))
    for name, value in about.items():
        assert getattr(found, name) == pytest.approx(1.5 * value)
    assert found.loss == pytest.approx(1.5 * fmean(range(len(ITEMS))))
    assert kept.calibration(study(folders, {folders[0].name: [sure(1)]}, [])) == []
