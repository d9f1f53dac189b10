"""Runs sorted into groups and rows, held against the full-model training that fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_prep.errors import UserError
from mlilt import record
from mlilt.comparison import results
from mlilt.comparison.results import Group

RANKS = {"sw": [1, 3, 7, 20]}
Write = Callable[..., Path]


def grouped(*folders: Path) -> list[Group]:
    return results.group([run for folder in folders for run in results.read_run(folder)])


def test_a_joint_run_is_in_the_group_of_each_of_its_languages_with_that_languages_figures(write_run: Write) -> None:
    ranks = {"sw": [1, 2, 3, 30], "yo": [10, 11, 50]}
    joint = write_run(ranks, strategy="layernorm")
    alone = write_run({"sw": [2, 20, 20, 20]}, strategy="layernorm")
    full = write_run({"sw": [1, 1, 1, 1], "yo": [1, 1, 40]}, strategy="full")
    groups = {(group.language, group.setting["lang"]): group for group in grouped(joint, alone, full)}
    assert groups.keys() == {("sw", "sw+yo"), ("yo", "sw+yo"), ("sw", "sw")}
    for code, places in ranks.items():
        layernorm, other = groups[code, "sw+yo"].rows
        assert (layernorm.strategy, other.strategy) == ("layernorm", "full")
        for direction in results.DIRECTIONS:
            for k in (1, 5, 10):
                reached = sum(place <= k for place in places) / len(places)
                assert layernorm.figures[direction][f"recall_at_{k}"].value == pytest.approx(reached)
            mrr = sum(1 / place for place in places) / len(places)
            assert layernorm.figures[direction]["mrr"].value == pytest.approx(mrr)
    share = groups["sw", "sw+yo"].rows[0].share_of_full
    assert share is not None
    assert share.value == pytest.approx(3 / 4)
    # In one of nine draws of three queries full-model training finds nothing: there is no upper end.
    assert groups["yo", "sw+yo"].rows[0].share_of_full is None
    assert groups["sw", "sw"].rows[0].figures["text_to_image"]["recall_at_10"].value == 0.25
    assert groups["sw", "sw"].rows[0].difference is None


@pytest.mark.parametrize(
    "changed",
    [
        {"chunk_size": 8},
        {"compile": True},
        {"activation_checkpointing": True},
        {"data": "elsewhere"},
        {"device": "cpu"},
        {"precision": "fp32"},
        {"processes": 2},
    ],
)
def test_how_a_run_was_computed_does_not_set_it_apart(write_run: Write, changed: dict[str, Any]) -> None:
    [group] = grouped(write_run(RANKS), write_run(RANKS, seed=1, **changed))
    [row] = group.rows
    assert row.seeds == [0, 1]
    assert row.processes == [1, changed.get("processes", 1)]


@pytest.mark.parametrize(
    "changed",
    [
        {"objective": "siglip"},
        {"label_smoothing": 0.1},
        {"bridge": "en"},
        {"bridge_weight": 1.0},
        {"trim_vocab": True},
        {"language_temperature": 3.0},
        {"temperature": 0.1},
        {"data_sha256": "cd"},
    ],
)
def test_runs_of_other_settings_or_data_are_in_another_group(write_run: Write, changed: dict[str, Any]) -> None:
    groups = grouped(write_run(RANKS), write_run(RANKS, name="other", **changed))
    assert [len(group.runs) for group in groups] == [1, 1]


@pytest.mark.parametrize(
    "changed",
    [
        {"strategy": "bitfit"},
        {"vision_strategy": "bitfit", "vision_lr": 1e-3},
        {"vision_lr": 1e-4},
        {"lr": 1e-2},
        {"always_freeze": [0]},
        {"vision_always_freeze": [-1]},
    ],
)
def test_what_is_compared_makes_a_row(write_run: Write, changed: dict[str, Any]) -> None:
    settings = {"vision_strategy": "layernorm", "vision_lr": 1e-3}
    folders = write_run(RANKS, **settings), write_run(RANKS, name="other", **(settings | changed))
    [group] = grouped(*folders)
    assert sorted(len(group.members(row)) for row in group.rows) == [1, 1]
    assert {group.members(row)[0].folder for row in group.rows} == set(folders)


def test_counts_and_share_are_of_both_towers(write_run: Write) -> None:
    [group] = grouped(write_run(RANKS), write_run(RANKS, vision_strategy="layernorm", vision_lr=1e-3))
    frozen, trained = group.rows
    assert (frozen.trained_text, frozen.trained_vision, frozen.trained) == (100, 0, 100)
    assert (trained.trained_text, trained.trained_vision, trained.trained) == (100, 50, 150)
    assert (frozen.vision_lr, trained.vision_lr) == (None, 1e-3)
    assert frozen.projections == trained.projections == 21
    assert frozen.share == pytest.approx(121 / 1521)
    assert trained.share == pytest.approx(171 / 1521)


@pytest.mark.parametrize(
    ("there", "against"),
    [
        ([], {"layernorm": None, "layernorm/layernorm": None}),
        (["full"], {"layernorm": "full", "layernorm/layernorm": "full", "full": None}),
        (["full/full"], {"layernorm": "full/full", "layernorm/layernorm": "full/full", "full/full": None}),
        (
            ["full", "full/full"],
            {"layernorm": "full", "layernorm/layernorm": "full/full", "full": None, "full/full": None},
        ),
        # Not full-model training: a part of the text tower is frozen, or all of it.
        (["full, frozen below", "frozen/full"], {"layernorm": None, "layernorm/layernorm": None}),
    ],
)
def test_rows_are_held_against_the_full_training_that_fits(
    write_run: Write, there: list[str], against: dict[str, str | None]
) -> None:
    reached = {"full": [1, 1, 1, 20], "full/full": [1, 1, 1, 1], "layernorm": [1, 1, 20, 20]}
    folders = []
    for name in ("layernorm", "layernorm/layernorm", *there):
        text, _, vision = name.partition(",")[0].partition("/")
        trains = {"vision_strategy": vision, "vision_lr": 1e-3} if vision else {}
        freeze = {"always_freeze": [0]} if "below" in name else {}
        ranks = {"sw": reached.get(name, [1, 20, 20, 20])}
        folders.append(write_run(ranks, name=f"run-{len(folders)}", strategy=text, **trains, **freeze))
    [group] = grouped(*folders)
    rows = {group.members(row)[0].record.config.method: row for row in group.rows if not row.always_freeze}
    for name, expected in against.items():
        row = rows[name]
        assert row.baseline == expected
        full = group.baseline(row)
        if expected is None:
            assert (full, row.difference, row.share_of_full) == (None, None, None)
            continue
        assert full is rows[expected]
        assert row.difference is not None
        own, its = (r.figures["text_to_image"]["recall_at_10"].value for r in (row, full))
        assert row.difference["text_to_image"].interval.value == pytest.approx(100 * (own - its))
        assert row.share_of_full is not None
        assert row.share_of_full.value == pytest.approx(own / its)
        assert row.share_of_full.low <= row.share_of_full.value <= row.share_of_full.high


def test_recall_is_told_by_category_and_length_where_there_are_concepts_enough(write_run: Write) -> None:
    # The fixture's odd queries are animals, the others food; the n-th has 3 + n tokens.
    places = [1, 11, 1, 11, 1, 1, 11, 1, 1, 1, 11, 1]
    [group] = grouped(write_run({"sw": places}), write_run({"sw": places[::-1]}, seed=1))
    [row] = group.rows
    hits = [[place <= 10 for place in order] for order in (places, places[::-1])]

    def share(keep: Callable[[int], bool]) -> float:
        return sum(hit for order in hits for n, hit in enumerate(order) if keep(n)) / sum(
            2 * keep(n) for n in range(12)
        )

    assert {name: found.value for name, found in row.by_category.items()} == {
        "animals": pytest.approx(share(lambda n: n % 2 == 1)),
        "food": pytest.approx(share(lambda n: n % 2 == 0)),
    }
    # 3 queries have 5 tokens or fewer, 3 have 6 to 8, 4 have 9 to 12: too few concepts to tell anything.
    assert row.by_length == {}
    [longer] = grouped(write_run({"sw": places * 2}, name="longer"))
    assert {name: found.value for name, found in longer.rows[0].by_length.items()} == {
        "13 tokens or more": pytest.approx(sum(place <= 10 for place in (places * 2)[10:]) / 14)
    }


def test_p_is_adjusted_for_all_methods_of_a_group(write_run: Write) -> None:
    full = write_run({"sw": [1] * 40}, strategy="full")
    better = write_run({"sw": [1] * 40}, strategy="bitfit")
    worse = write_run({"sw": [20] * 40}, strategy="layernorm")
    alone = {row.strategy: row for row in grouped(full, worse)[0].rows}["layernorm"]
    rows = {row.strategy: row for row in grouped(full, worse, better)[0].rows}
    assert alone.difference is not None
    assert rows["layernorm"].difference is not None
    assert rows["bitfit"].difference is not None
    for direction in results.DIRECTIONS:
        # Of two the smaller is doubled (Holm).
        assert rows["layernorm"].difference[direction].p == pytest.approx(2 * alone.difference[direction].p)
        assert rows["layernorm"].difference[direction].verdict == "worse"
        assert rows["bitfit"].difference[direction].p == 1
        assert rows["bitfit"].difference[direction].verdict == "no difference shown"


def test_no_share_is_told_of_full_training_that_finds_nothing(write_run: Write) -> None:
    [group] = grouped(write_run(RANKS), write_run({"sw": [50, 60, 70, 80]}, strategy="full"))
    layernorm, _ = group.rows
    assert layernorm.difference is not None
    assert layernorm.share_of_full is None


def test_a_reference_is_what_all_other_rows_are_held_against(write_run: Write) -> None:
    folders = [
        write_run({"sw": ranks}, strategy=name)
        for name, ranks in (("bitfit", [1, 1, 20, 20]), ("layernorm", [1, 1, 1, 20]), ("full", [1, 1, 1, 1]))
    ]
    runs = [run for folder in folders for run in results.read_run(folder)]
    [group] = results.group(runs, reference=runs[1])
    found = {row.strategy: row for row in group.rows}
    assert group.baseline(found["bitfit"]) is group.baseline(found["full"]) is found["layernorm"]
    assert found["layernorm"].difference is None
    for name, points in (("bitfit", -25), ("full", 25)):
        difference = found[name].difference
        assert difference is not None
        assert difference["text_to_image"].interval.value == pytest.approx(points)


def test_groups_are_in_the_order_of_languages_and_then_of_size(write_run: Write) -> None:
    folders = [
        write_run({lang: [1, 2, 3]}, **({"concepts": concepts} if concepts else {}))
        for lang in ("yo", "sw")
        for concepts in (None, 1000, 50, 200)
    ]
    found = [(group.language, group.setting.get("concepts")) for group in grouped(*folders)]
    assert found == [(lang, concepts) for lang in ("sw", "yo") for concepts in (50, 200, 1000, None)]


def test_queries_in_a_language_that_the_record_does_not_know_are_refused(write_run: Write) -> None:
    folder = write_run(RANKS)
    path = folder / record.QUERIES
    line = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    path.write_text(json.dumps({**line, "language": "yo"}) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"queries\.jsonl cannot be read: KeyError\('yo'\)\. .*--force"):
        results.read_run(folder)
