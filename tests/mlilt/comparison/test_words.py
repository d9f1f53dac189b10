from __future__ import annotations

from pathlib import Path

import pytest

from mlilt.comparison import Comparison, words


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
    ("seconds", "said"), [(0.4, "0 s"), (99, "99 s"), (100, "1 min 40 s"), (3599.7, "1 h 00 min"), (7300, "2 h 01 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_the_method_states_pool_and_chance(compared: tuple[Comparison, Path, Path]) -> None:
    [group] = compared[0].groups
    text = group.runs[0].record.results["all"].text_to_image
    said = words.method(group)
    assert f"recall@10 of {100 * text.chance_recall_at_10:.1f} %." in said
    assert f"{text.queries} captions, each asked among {text.pool} pictures" in said
    for row in group.rows:
        assert f"{row.lr:g}" in words.cells(group, row)


def test_groups_of_one_title_say_in_what_they_differ(compared: tuple[Comparison, Path, Path]) -> None:
    [group] = compared[0].groups
    assert words.titles([group]) == [group.title.replace("sw", "Swahili", 1)]
    other = group.__class__(
        group.language,
        {**group.setting, "batch_size": 64},
        group.data_sha256,
        group.machine,
        group.runs,
        group.rows,
        [],
    )
    assert [title.rpartition("; ")[2] for title in words.titles([group, other])] == ["batch_size 128", "batch_size 64"]
