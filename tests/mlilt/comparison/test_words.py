from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlilt import record
from mlilt.comparison import Comparison, results, words
from mlilt.comparison.grid import Failure
from mlilt.comparison.results import Group
from mlilt.evaluation.statistics import Estimate

RANKS = {"sw": [1, 3, 7, 20]}
Write = Callable[..., Path]


def grouped(*folders: Path) -> list[Group]:
    return results.group([run for folder in folders for run in results.read_run(folder)])


@pytest.mark.parametrize(
    ("count", "unit", "said"),
    [
        (0, "B", "0 B"),
        (999, "", "999"),
        (999_400, "", "999 k"),
        (999_700, "", "1 M"),
        (999.7e6, "B", "1 GB"),
        (117_654_528, "", "118 M"),
        (1_800_980, "B", "1.8 MB"),
    ],
)
def test_sizes_have_three_digits(count: float, unit: str, said: str) -> None:
    assert words.size(count, unit) == said


@pytest.mark.parametrize(
    ("found", "signed", "said"),
    [
        ((0.5, 0.25, 0.75), False, "50.0 [25.0, 75.0]"),
        ((0.031, -0.0101, 0.2), True, "+3.1 [−1.0, +20.0]"),
        # A zero has no sign, whatever it was rounded from.
        ((-0.0001, -0.5, 0.0004), True, "0.0 [−50.0, 0.0]"),
        ((1.2, 0.5, math.inf), False, "120.0 [50.0, ∞]"),
        ((1.2, -math.inf, math.nan), False, "120.0 [−∞, ∞]"),
        ((math.nan, math.nan, math.nan), False, "–"),
    ],
)
def test_intervals_are_told_without_what_is_no_number(
    found: tuple[float, float, float], signed: bool, said: str
) -> None:
    assert words.bracketed(Estimate(*found), 100, signed=signed) == said


@pytest.mark.parametrize(
    ("value", "digits", "signed", "said"),
    [
        (-1.25, 1, True, "−1.2"),
        (1.25, 0, True, "+1"),
        (1.25, 0, False, "1"),
        (-0.04, 1, True, "0.0"),
        (0.4, 0, True, "0"),
        (-math.inf, 1, False, "−∞"),
    ],
)
def test_numbers_have_a_real_minus_and_zero_none(value: float, digits: int, signed: bool, said: str) -> None:
    assert words.number(value, digits, signed) == said


@pytest.mark.parametrize(
    ("p", "said"), [(1.0, "1"), (0.0521, "0.052"), (0.001, "0.001"), (0.00099, "p < 0.001"), (0.0, "p < 0.001")]
)
def test_p_values_have_two_digits(p: float, said: str) -> None:
    assert words.p_value(p) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (99, "99 s"), (100, "1 min 40 s"), (3599.7, "1 h 00 min"), (7300, "2 h 01 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_the_method_states_pool_and_chance(compared: tuple[Comparison, Path, Path]) -> None:
    [group] = compared[0].groups
    text = group.runs[0].results["all"].text_to_image
    said = words.method(group)
    assert f"recall@10 of {100 * text.chance_recall_at_10:.1f} %." in said
    assert f"{text.queries} captions, each asked among {text.pool} pictures" in said
    for row in group.rows:
        shown = dict(zip(words.header(group), words.cells(group, row), strict=True))
        assert (shown["lr"], shown["seeds"]) == (f"{row.lr:g}", str(len(row.seeds)))
        assert shown["nDCG@10"] == f"{row.figures['text_to_image']['ndcg_at_10'].value:.3f}"


def test_groups_of_one_title_say_in_what_they_differ(write_run: Write) -> None:
    [alone] = grouped(write_run(RANKS))
    assert words.titles([alone]) == ["Swahili: e5-small + efficientnet-lite0, 10 epochs, float32"]
    other = grouped(write_run(RANKS, name="other", batch_size=64))
    said = [title.rpartition("; ")[2] for title in words.titles([alone, *other])]
    assert said == ["batch_size 128", "batch_size 64"]
    points = grouped(write_run(RANKS, concepts=50), write_run(RANKS, concepts=100), write_run(RANKS, name="all"))
    assert [title.rpartition("; ")[2] for title in words.titles(points)] == [
        "50 concepts",
        "100 concepts",
        "all concepts",
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"objective": "siglip"}, "siglip"),
        ({"label_smoothing": 0.1}, "label smoothing 0.1"),
        ({"temperature": 0.1}, "temperature from 0.1"),
        ({"bridge": "en", "bridge_weight": 1.0}, "bridge en, bridge weight 1"),
        ({"trim_vocab": True}, "trimmed vocabulary"),
        ({"language_temperature": 3.0}, "language temperature 3"),
    ],
)
def test_titles_say_what_is_not_the_default(write_run: Write, settings: dict[str, Any], said: str) -> None:
    assert words.title(*grouped(write_run(RANKS, **settings))).partition("float32")[2] == f", {said}"


def test_titles_say_what_was_trained_on_together(write_run: Write) -> None:
    titles = words.titles(grouped(write_run({"sw": [1, 1], "yo": [2, 2], "en": [3, 3]})))
    assert [title.partition(":")[0] for title in titles] == [
        "English, trained together with Swahili, Yoruba",
        "Swahili, trained together with Yoruba, English",
        "Yoruba, trained together with Swahili, English",
    ]


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        ({"strategy": "layernorm"}, "layernorm"),
        ({"strategy": "full"}, "full (lit)"),
        ({"strategy": "frozen"}, "frozen (projections)"),
        ({"strategy": "full", "vision_strategy": "full"}, "full/full (clip)"),
        ({"strategy": "layernorm", "vision_strategy": "layernorm"}, "layernorm/layernorm (lilt-minus-adapters)"),
        ({"strategy": "layernorm", "vision_strategy": "bitfit"}, "layernorm/bitfit"),
        # With blocks left out it is no longer what the preset says.
        ({"strategy": "full", "always_freeze": [0, -1]}, "full, text blocks 0 -1 frozen"),
        (
            {"strategy": "full", "vision_strategy": "full", "vision_always_freeze": [0]},
            "full/full, vision blocks 0 frozen",
        ),
    ],
)
def test_a_label_names_both_towers_and_the_preset(write_run: Write, settings: dict[str, Any], label: str) -> None:
    [group] = grouped(write_run(RANKS, **settings))
    assert words.label(group, group.rows[0]) == label


def test_labels_show_learning_rates_where_they_tell_rows_apart(write_run: Write) -> None:
    both = {"strategy": "full", "vision_strategy": "full"}
    [group] = grouped(
        write_run(RANKS, strategy="layernorm", lr=1e-3),
        write_run(RANKS, strategy="bitfit", lr=1e-3),
        write_run(RANKS, name="other", strategy="bitfit", lr=1e-4),
        write_run(RANKS, **both, lr=1e-4, vision_lr=1e-4),
        write_run(RANKS, name="third", **both, lr=1e-4, vision_lr=1e-5),
    )
    assert {words.label(group, row) for row in group.rows} == {
        "layernorm",
        "bitfit (lr 0.001)",
        "bitfit (lr 0.0001)",
        "full/full (clip, lr 0.0001/0.0001)",
        "full/full (clip, lr 0.0001/1e-05)",
    }


def test_cells_say_why_a_figure_is_not_there(write_run: Write) -> None:
    [alone] = grouped(write_run(RANKS))
    [held] = grouped(write_run({"sw": [1, 50, 60, 70]}, name="a"), write_run(RANKS, name="b", strategy="full"))
    [nothing] = grouped(write_run(RANKS, name="c"), write_run({"sw": [50] * 4}, name="d", strategy="full"))

    def shown(group: Group, place: int = 0) -> dict[str, str]:
        return dict(zip(words.header(group), words.cells(group, group.rows[place]), strict=True))

    assert shown(alone)["R@10 − full, points"] == "– no full training"
    assert shown(held, 1)["R@10 − full, points"] == "– full training"
    assert shown(nothing)["% of full"] == "– often nothing found"
    assert shown(held)["R@10 − full, points"].startswith("−50.0 [")
    # What was not counted is a dash, and energy that nothing told has no column.
    assert shown(alone)["FLOPs/pair"] == "–"
    assert "energy" not in shown(alone)
    assert "Energy is left out: nothing on this machine told it" in words.method(alone)


def test_known_energy_has_a_column(write_run: Write) -> None:
    folder = write_run(RANKS)
    about = record.read(folder)
    costs = about.costs.model_copy(update={"energy_kwh": 0.0123, "energy_source": "RAPL", "flops_per_pair": 3.75e8})
    record.write(about.model_copy(update={"costs": costs}), folder)
    [group] = grouped(folder)
    shown = dict(zip(words.header(group), words.cells(group, group.rows[0]), strict=True))
    assert (shown["energy"], shown["FLOPs/pair"]) == ("12.3 Wh", "375 M")
    assert "Energy: RAPL." in words.method(group)


def test_a_reference_is_named_where_full_training_would_be(write_run: Write) -> None:
    folders = write_run(RANKS, strategy="bitfit"), write_run(RANKS), write_run(RANKS, strategy="full")
    runs = [run for folder in folders for run in results.read_run(folder)]
    [group] = results.group(runs, reference=runs[0])
    assert "R@10 − reference, points" in words.header(group)
    assert "is to the reference that was asked for, bitfit." in words.method(group)
    assert len(words.findings(group)) == 2
    assert all("recall@10 of the reference, bitfit (" in said for said in words.findings(group))


def test_the_method_says_whether_intervals_hold_how_seeds_vary(write_run: Write) -> None:
    one = write_run(RANKS)
    [single] = grouped(one)
    [both] = grouped(one, write_run(RANKS, seed=1), write_run(RANKS, strategy="bitfit"))
    assert "of one seed alone they do not hold how much another would change" in words.method(single)
    assert "but for bitfit, with one seed: how much another would change is not in them" in words.method(both)


LIT = ({"strategy": "full"},)
CLIP = ({"strategy": "full", "vision_strategy": "full", "vision_lr": 1e-4},)


@pytest.mark.parametrize(
    ("there", "against"),
    [
        ((), "No full-model run is among these, .*`mlilt train --lang sw --strategy full`"),
        (LIT, r"is to full-model training: to full \(lit\), which trains the text tower alone\."),
        (CLIP, r"is to full-model training: to full/full \(clip\), which trains both towers\."),
        (
            LIT + CLIP,
            r"for rows whose vision tower is frozen to full \(lit\), .*; "
            r"for rows whose vision tower trains to full/full \(clip\), ",
        ),
    ],
)
def test_the_report_says_what_rows_are_held_against(
    write_run: Write, there: tuple[dict[str, Any], ...], against: str
) -> None:
    vision = {"strategy": "layernorm", "vision_strategy": "layernorm", "vision_lr": 1e-3}
    [group] = grouped(*(write_run(RANKS, **settings) for settings in ({}, vision, *there)))
    said = " ".join([*words.findings(group), words.method(group)])
    assert re.search(against, said)
    trained = [words.label(group, row) for row in group.rows if row.vision_lr]
    assert f"the vision tower trains in {', '.join(trained)} and is frozen in all other rows." in said
    for label, full in (("layernorm", "full (lit)"), (trained[0], "full/full (clip)")):
        if len(there) == 2:
            assert re.search(rf"{re.escape(label)} trains .* of full-model training, {re.escape(full)} \(", said)


def test_the_method_says_where_the_vision_tower_is_frozen_and_how_many_processes_trained(write_run: Write) -> None:
    [group] = grouped(write_run(RANKS), write_run(RANKS, seed=1, processes=4))
    said = words.method(group)
    assert "the vision tower is frozen in all rows." in said
    assert "In several processes trained: layernorm in 1 or 4; time and memory are those of the first." in said
    assert "processes" not in words.method(*grouped(write_run(RANKS, seed=2)))


def test_without_full_training_of_rows_whose_vision_tower_trains_clip_is_what_to_train(write_run: Write) -> None:
    groups = grouped(write_run({"sw": [1, 1], "yo": [1, 1]}, vision_strategy="bitfit", vision_lr=1e-3))
    assert ["`mlilt train --lang sw --lang yo --strategy clip`" in words.findings(g)[0] for g in groups] == [True] * 2


def test_what_failed_alike_is_told_once() -> None:
    found = [Failure(f"run{n}", "no weights") for n in range(5)] + [Failure("other", "no memory")]
    assert words.failures(found) == [("run0, run1, run2 and 2 more", "no weights"), ("other", "no memory")]
    assert words.failures(found[:3]) == [("run0, run1, run2", "no weights")]
