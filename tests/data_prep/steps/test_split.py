from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from data_prep.languages import load_language
from data_prep.records import DropLog
from data_prep.steps.split import TEST_SHARE, VALIDATION_SHARE, Split, split_of


def reference(concept: str) -> str:
    """The split by its definition, in exact arithmetic."""
    place = int(hashlib.sha256(f"mlilt-split-1:{concept}".encode()).hexdigest()[:16], 16)
    if place * 100 < 14 * 2**64:
        return "test"
    return "validation" if place * 100 < 19 * 2**64 else "train"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_concept_has_one_split_by_the_hash_of_its_name_alone(concept):
    assert split_of(concept) == split_of(concept) == reference(concept)


def test_shares_are_fourteen_and_five_in_a_hundred():
    assert (TEST_SHARE, VALIDATION_SHARE) == (0.14, 0.05)
    count = 20_000
    found = [split_of(f"concept-{i}") for i in range(count)]
    for name, share in (("test", 0.14), ("validation", 0.05), ("train", 0.81)):
        assert binomtest(found.count(name), count, share).pvalue > 1e-4


def named(split: str) -> str:
    """A concept whose hash sends it to a split."""
    return next(f"concept-{n}" for n in range(1000) if split_of(f"concept-{n}") == split)


def test_a_sources_own_split_goes_before_the_hash(example, rows_of):
    concept = named("test")
    rows = rows_of([example(concept=concept, split="train"), example(concept=concept)])
    Split().judge(rows, load_language("sw"), DropLog())
    assert rows.split == ["train", "test"]


@pytest.mark.parametrize("allowed", [False, True])
def test_what_a_machine_translated_is_never_tested_on_unless_asked_for(example, rows_of, allowed):
    concepts = [named("test"), named("train"), named("validation")]
    rows = rows_of([example(concept=c, origin="a/model") for c in concepts] + [example(concept=concepts[0])])
    log = DropLog()
    Split(machine_in_test=allowed).judge(rows, load_language("sw"), log)
    assert list(rows.still()) == ([0, 1, 2, 3] if allowed else [1, 2, 3])
    expected = [] if allowed else [(concepts[0], "machine-translated: not for the test split")]
    assert [(d.item, d.reason) for d in log.drops] == expected
