from __future__ import annotations

from collections import defaultdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.records import DropLog
from data_prep.steps._text import key
from data_prep.steps.repeated_captions import FLAG, STEP


def test_a_caption_of_many_different_pictures_is_flagged_and_of_too_many_dropped(example, rows_of, language):
    boilerplate = [example(captions=("Picha.",), concept=f"p{n}") for n in range(5)]
    stones = [example(captions=("kaburi",), captions_en=(e,), concept=e) for e in ("a grave", "a tomb", "a stone")]
    pair = [example(captions=("gari",), concept=c) for c in ("car", "motorcar")]
    rows, log = rows_of([*boilerplate, *stones, *pair]), DropLog()
    STEP(several=3, most=4).judge(rows, language(), log)
    assert rows.kept.tolist() == [False] * 5 + [True] * 5
    assert {row: list(flags) for row, flags in rows.flags.items()} == {5: [FLAG], 6: [FLAG], 7: [FLAG]}
    assert {d.reason for d in log.drops} == {"the caption is that of more than 4 different pictures"}
    assert [(d.item, d.text) for d in log.drops] == [(f"p{n}", "Picha.") for n in range(5)]


def test_a_row_with_a_caption_of_its_own_stays(example, rows_of, language):
    rows, log = rows_of([example(captions=("picha", f"mbwa {n}"), concept=str(n)) for n in range(5)]), DropLog()
    STEP(most=4).judge(rows, language(), log)
    assert (rows.kept.all(), log.drops, len(rows.flags)) == (True, [], 5)


def test_photographs_with_one_english_caption_and_pictures_of_one_concept_are_no_different_ones(
    example, rows_of, language
):
    photographs = [example(captions=("mtu",), captions_en=("A person.",), concept=f"photo-{n}") for n in range(30)]
    vendors = [example(captions=("mbwa",), variant=str(n)) for n in range(30)]
    rows = rows_of([*photographs, *vendors])
    STEP().judge(rows, language(), DropLog())
    assert (rows.kept.all(), rows.flags) == (True, {})


def test_rows_left_out_before_do_not_count_and_no_rows_are_none_too_few(example, rows_of, language):
    rows = rows_of([example(concept=str(n)) for n in range(4)])
    rows.kept[2:] = False
    STEP(several=3).judge(rows, language(), DropLog())
    assert rows.flags == {}
    rows.kept[:] = False
    STEP().judge(rows, language(), DropLog())


ROWS = st.lists(
    st.tuples(st.lists(st.sampled_from(["a", "A!", "b", "c"]), min_size=1, max_size=3), st.sampled_from("123456")),
    max_size=25,
)


# The fixtures are functions that keep nothing.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.integers(2, 4), st.integers(1, 5))
def test_it_agrees_with_counting_one_by_one(example, rows_of, language, rows, several, most):
    examples = [example(captions=tuple(dict.fromkeys(captions)), concept=concept) for captions, concept in rows]
    shown = defaultdict(set)
    for e in examples:
        for caption in e.captions:
            shown[key(caption)].add(e.concept)
    table = rows_of(examples)
    STEP(several=several, most=most).judge(table, language(), DropLog())
    for n, e in enumerate(examples):
        counts = [len(shown[key(caption)]) for caption in e.captions]
        left_out = all(count > most for count in counts)
        assert table.kept[n] == (not left_out)
        assert (n in table.flags) == (not left_out and max(counts) >= several)
