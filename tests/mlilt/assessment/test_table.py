from __future__ import annotations

import json

import numpy as np
import pytest

from mlilt.assessment import HEADER, Measured, figures, lines, report, unasked

ITEMS = [f"i{n}" for n in range(40)]


def measured(share: float, on: str = "en-sw", **more: object) -> Measured:
    """So much of 40 concepts is right."""
    right = [float(n < share * len(ITEMS)) for n in range(len(ITEMS))]
    return Measured.model_validate(
        {
            "test": "bitext", "on": on, "items": ITEMS, "clusters": ITEMS, "values": {"accuracy": right},
            "chance": {"accuracy": 0.025}, "about": {"identical": 0.1}, **more,
        }
    )  # fmt: skip


def test_a_figure_has_its_mean_with_an_interval_and_the_paired_change() -> None:
    now, was = measured(0.75), measured(0.5)
    [figure] = figures(now, was)
    assert (figure.name, figure.estimate.value, figure.chance) == ("accuracy", 0.75, 0.025)
    assert figure.before is not None
    assert figure.change is not None
    assert (figure.before.value, figure.change.value) == (0.5, 0.25)
    # Over 40 items a share of 3/4 has a standard error of sqrt(0.75 * 0.25 / 40); a paired change of 1/4 the same.
    for estimate in (figure.estimate, figure.change):
        width = 2 * 1.96 * np.sqrt(0.75 * 0.25 / 40)
        assert estimate.high - estimate.low == pytest.approx(width, rel=0.15)
        assert estimate.low < estimate.value < estimate.high
    # Items in another order are the same items.
    turned = was.model_copy(update={"items": ITEMS[::-1], "clusters": ITEMS[::-1], "values": {
        "accuracy": was.values["accuracy"][::-1]}})  # fmt: skip
    [again] = figures(now, turned)
    assert again.change is not None
    assert again.change.value == 0.25


def test_people_get_the_figures_that_matter_in_percent() -> None:
    now = [measured(0.75), measured(0.5, "am-sw")]
    first, second = lines(now, [measured(0.5)])
    assert len(first) == len(second) == len(HEADER)
    shown = dict(zip(HEADER, first, strict=True))
    assert (shown["test"], shown["on"], shown["items"], shown["figure"]) == ("bitext", "en-sw", "40", "accuracy")
    assert shown["% [95 % interval]"].startswith("75.0 [")
    assert shown["before training"].startswith("50.0 [")
    assert shown["change"].startswith("+25.0 [+")
    assert (shown["chance"], shown["note"]) == ("2.5", "10 % have one name in both languages")
    assert [dict(zip(HEADER, second, strict=True))[key] for key in ("on", "before training", "change")] == [
        "am-sw", "", ""
    ]  # fmt: skip


def test_of_a_test_with_several_figures_it_is_named_once() -> None:
    figures_of = {name: [0.0, 1.0] for name in ("recall_at_1", "recall_at_5", "recall_at_10", "mrr")}
    one = Measured(
        test="retrieval", on="sw", part="text_to_image", items=["a", "b"], clusters=["a", "b"], values=figures_of,
        about={"pool": 9},
    )  # fmt: skip
    assert [line[:4] for line in lines([one], [])] == [
        ("retrieval text→image", "sw", "2", "R@1"),
        ("", "", "", "R@10"),
    ]


def test_programs_get_all_figures() -> None:
    [one] = json.loads(json.dumps(report([measured(0.75)], [measured(0.5)])))
    assert (one["test"], one["on"], one["part"], one["items"]) == ("bitext", "en-sw", "", 40)
    assert one["about"] == {"identical": 0.1}
    accuracy = one["figures"]["accuracy"]
    assert (accuracy["value"], accuracy["chance"], accuracy["before"]["value"]) == (0.75, 0.025, 0.5)
    assert accuracy["change"]["low"] < accuracy["change"]["value"] == 0.25 < accuracy["change"]["high"]
    assert report([measured(0.75)], [])[0]["figures"]["accuracy"]["before"] is None


def test_tests_that_gave_nothing_say_what_they_need() -> None:
    assert unasked(["bitext", "retrieval"], [measured(0.5)]) == {"retrieval": "two concepts with captions"}
    assert unasked([], []) == {}
