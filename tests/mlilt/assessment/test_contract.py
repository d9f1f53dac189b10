"""What all tests of a run have in common."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from data_prep.errors import UnknownNameError
from mlilt import assessment, record
from mlilt.assessment import Measured
from mlilt.assessment._assess import load
from mlilt.assessment._base import Asked

NAMES = assessment.names()
# This one has pictures and a test file of its own.
ELSEWHERE = {"imagenet"}


def test_the_folder_holds_the_tests_that_docs_name() -> None:
    assert {"retrieval", "bitext", "neighbours", "zero-shot", "calibration", "imagenet"} <= set(NAMES)
    page = (Path(__file__).parents[3] / "docs/evaluation.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_is_and_what_it_needs(name: str, run: Path) -> None:
    test = load(name)
    assert test.needs
    assert test.figures
    about = record.read(run)
    asked = [Asked.of("sw", about.config.data_folder("sw"))]
    things = test.things(about, asked)
    assert len({thing.sha256 for thing in things}) == len(things)


@pytest.mark.parametrize("name", sorted(set(NAMES) - ELSEWHERE))
def test_each_gives_one_value_an_item_within_its_bounds(name: str, found: list[Measured]) -> None:
    measured = [one for one in found if one.test == name]
    assert measured
    assert len({(one.on, one.part) for one in measured}) == len(measured)
    for one in measured:
        assert len(set(one.items)) == len(one.items) > 1
        assert len(one.clusters) == len(one.items)
        assert len(set(one.clusters)) > 1
        assert set(load(name).figures) <= one.values.keys() >= one.chance.keys()
        for figure, values in one.values.items():
            assert len(values) == len(one.items)
            assert all(math.isfinite(value) and value >= 0 for value in values)
            if figure not in ("loss", "balanced"):
                assert max(values) <= 1
        assert all(0 <= chance <= 1 for chance in one.chance.values())
        assert load(name).note(one)
        assert Measured.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize("name", ["neighbours", "zero-shot"])
def test_balanced_values_have_the_mean_of_the_classes_accuracies(name: str, found: list[Measured]) -> None:
    for one in found:
        if one.test == name:
            by_class = one.about["by_class"]
            assert sum(one.values["balanced"]) / len(one.items) == pytest.approx(sum(by_class.values()) / len(by_class))
            assert one.chance["balanced"] == pytest.approx(1 / len(by_class))


def test_an_unknown_test_is_answered_with_the_nearest(run: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no test named 'retreival'\. Did you mean retrieval\?"):
        assessment.assess(run, tests=["retreival"])


@pytest.mark.parametrize(
    "change",
    [
        {"items": ["a", "a"]},
        {"items": ["a", "b", "c"]},
        {"items": []},
        {"clusters": ["c"]},
        {"values": {"accuracy": [1.0]}},
        {"values": {"accuracy": [1.0, math.nan]}},
        {"values": {}},
    ],
)
def test_values_that_do_not_fit_their_items_are_none(change: dict[str, object]) -> None:
    whole = {"test": "t", "on": "sw", "items": ["a", "b"], "clusters": ["c", "c"], "values": {"accuracy": [0.0, 1.0]}}
    assert Measured.model_validate(whole).values["accuracy"] == [0.0, 1.0]
    with pytest.raises(ValidationError):
        Measured.model_validate({**whole, **change})
