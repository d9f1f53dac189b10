"""A prepared data set as training sees it."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.data import Entry, Row, draws, entries, fewer, sample_caption, without


def row(caption: str, concept: str, keyword: str = "", image: str = "1") -> Row:
    return Row(image, (caption,), (keyword,) if keyword else (), (), concept, "source", "")


@pytest.mark.parametrize("split", data.SPLITS)
def test_rows_and_pictures_are_those_of_the_file_in_its_order(small_sw: Prepared, split: str) -> None:
    table = pq.read_table(small_sw.folder / "data" / f"{split}-00000-of-00001.parquet").to_pylist()
    rows = data.read_rows(small_sw.folder, split)
    assert len(rows) == small_sw.pictures[split] > 0
    for found, expected in zip(rows, table, strict=True):
        assert {key: getattr(found, key) for key in ("image_id", "concept", "source", "variant")} == {
            key: expected[key] for key in ("image_id", "concept", "source", "variant")
        }
        for key in ("captions", "keywords", "captions_en"):
            assert list(getattr(found, key)) == expected[key]
    pictures = list(data.read_pictures(small_sw.folder, split))
    assert pictures == [(line["image_id"], line["image"]["bytes"]) for line in table]
    wanted = {rows[-1].image_id}
    assert list(data.read_pictures(small_sw.folder, split, wanted)) == [p for p in pictures if p[0] in wanted]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "has no file of the split test"), *((c, r"test-0.*\.parquet cannot be read") for c in (b"", b"PAR1 cut"))],
)
def test_a_split_that_cannot_be_read_is_an_error_that_names_file_and_remedy(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    (tmp_path / "data").mkdir()
    if content is not None:
        (tmp_path / "data" / "test-00000-of-00001.parquet").write_bytes(content)
    with pytest.raises(UserError, match=rf"{said}.*`mlilt prep` again with --force"):
        data.read_rows(tmp_path, "test")


def test_wrong_bits_in_the_footer_are_damage(small_sw: Prepared, tmp_path: Path) -> None:
    """Names and kinds of columns lie there without a checksum."""
    [whole] = (small_sw.folder / "data").glob("test-*")
    (tmp_path / "data").mkdir()
    content = whole.read_bytes()
    expected = data.read_rows(small_sw.folder, "test")
    footer = int.from_bytes(content[-8:-4], "little") + 8
    draws, noticed = random.Random(0), 0
    for _ in range(300):
        changed, place = bytearray(content), draws.randrange(len(content) - footer, len(content))
        changed[place] ^= 1 << draws.randrange(8)
        (tmp_path / "data" / whole.name).write_bytes(changed)
        try:
            assert data.read_rows(tmp_path, "test") == expected
        except UserError as error:
            noticed += whole.name in str(error)
    # The rest changed nothing that is read: statistics, notes of other programs, columns that are not asked for.
    assert noticed > 100


def test_entries_hold_every_row_once_and_only_rows_of_equal_captions_and_concept(train_rows: list[Row]) -> None:
    made = entries(train_rows)
    assert sorted(place for entry in made for place in entry.rows) == list(range(len(train_rows)))
    for entry in made:
        assert {(r.captions, r.keywords, r.concept) for r in (train_rows[i] for i in entry.rows)} == {
            (entry.captions, entry.keywords, entry.concept)
        }
    assert len({(e.captions, e.keywords, e.concept) for e in made}) == len(made)
    # Several vendors draw the same emoji.
    assert max(len(entry.rows) for entry in made) >= 2


def test_rows_of_one_concept_with_other_words_are_entries_of_their_own() -> None:
    made = entries([row("mbwa", "dog"), row("mbwa", "puppy"), row("mbwa", "dog", "pet"), row("mbwa", "dog", image="2")])
    assert [(e.concept, e.keywords, e.rows) for e in made] == [
        ("dog", (), (0, 3)),
        ("puppy", (), (1,)),
        ("dog", ("pet",), (2,)),
    ]


@given(count=st.integers(1, 12), group=st.integers(1, 5), seed=st.integers(0, 1000))
def test_draws_put_each_picture_in_exactly_one_group_of_at_most_the_size_asked_for(
    count: int, group: int, seed: int
) -> None:
    entry = Entry(("a",), (), "c", tuple(range(10, 10 + count)))
    groups = draws(entry, group, np.random.default_rng(seed))
    assert sorted(i for g in groups for i in g) == list(entry.rows)
    assert [len(g) for g in groups[:-1]] == [group] * (len(groups) - 1)
    assert 1 <= len(groups[-1]) <= group


@given(
    captions=st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True),
    keywords=st.lists(st.text("abc", min_size=1), max_size=6, unique=True),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_a_sampled_caption_is_a_whole_one_or_one_to_four_different_keywords(
    captions: list[str], keywords: list[str], share: float, seed: int
) -> None:
    entry = Entry(tuple(captions), tuple(keywords), "c", (0,))
    found = sample_caption(entry, share, np.random.default_rng(seed))
    parts = found.split(", ")
    of_keywords = set(parts) <= set(keywords) and len(set(parts)) == len(parts) <= 4
    assert of_keywords if share == 1 and keywords else found in captions or (share > 0 and of_keywords)


def test_keywords_come_as_often_as_their_share_says_and_captions_evenly() -> None:
    entry = Entry(("one", "two"), ("a", "b", "c"), "c", (0,))
    rng = np.random.default_rng(0)
    counts = Counter(sample_caption(entry, 0.4, rng) for _ in range(4000))
    whole = counts["one"] + counts["two"]
    # Five standard deviations of a binomial variable.
    assert abs(whole / 4000 - 0.6) < 5 * (0.24 / 4000) ** 0.5
    assert abs(counts["one"] / whole - 0.5) < 5 * (0.25 / whole) ** 0.5
    assert {len(caption.split(", ")) for caption in counts} == {1, 2, 3}


def test_smaller_sets_of_concepts_lie_within_larger_ones_of_the_same_seed(train_rows: list[Row]) -> None:
    def concepts(count: int, seed: int) -> set[str]:
        rows = fewer(train_rows, count, seed)
        chosen = {row.concept for row in rows}
        assert rows == [row for row in train_rows if row.concept in chosen]
        assert len(chosen) == count
        return chosen

    assert concepts(5, 0) < concepts(9, 0) < concepts(20, 0)
    assert concepts(9, 0) != concepts(9, 1)


def test_another_language_has_the_same_concepts_of_those_it_has(train_rows: list[Row]) -> None:
    there = sorted({row.concept for row in train_rows})
    other = [row for row in train_rows if row.concept not in there[::10]]
    mine, its = ({row.concept for row in fewer(rows, 12, 3)} for rows in (train_rows, other))
    assert mine - set(there[::10]) <= its


def test_more_concepts_than_there_are_is_an_error(train_rows: list[Row]) -> None:
    count = len({row.concept for row in train_rows})
    with pytest.raises(UserError, match=rf"has {count} concepts, not {count + 1}\. Use --concepts {count}\."):
        fewer(train_rows, count + 1, 0)


def test_what_is_held_out_is_so_in_every_category_that_shows_it() -> None:
    rows = [
        Row("1", ("mbwa",), (), (), "dog", "emoji", "", "Animals & Nature"),
        Row("2", ("mbwa",), (), (), "dog", "stamps", "", "animals"),
        Row("3", ("kiti",), (), (), "chair", "stamps", "", "household"),
    ]
    assert without(rows, ["Animals & Nature"]) == rows[2:]
    assert without(rows, []) == rows
