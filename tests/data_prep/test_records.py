from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.records import Drop, DropLog, Example, concept_id


@pytest.mark.parametrize(
    ("caption", "concept"),
    [
        ("dog", "dog"),
        ("A dog.", "dog"),
        ("  The DOG!  ", "dog"),
        ("Some ice cream", "ice-cream"),
        ("woman: blond hair", "woman-blond-hair"),
        ("Ａ ｄｏｇ", "dog"),
        ("a", "a"),
        ("keycap: #", "keycap-number-sign"),
        ("keycap: *", "keycap-asterisk"),
        ("piñata", "piñata"),
    ],
)
def test_a_concept_is_its_english_caption_without_article_case_and_punctuation(caption, concept):
    assert concept_id(caption) == concept


@given(st.from_regex(r"[b-z]{1,12}( [b-z]{1,12}){0,4}", fullmatch=True), st.sampled_from(["a", "An", "THE", "some"]))
def test_article_case_and_final_punctuation_never_make_another_concept(words, article):
    assert concept_id(f"{article} {words.upper()}.") == concept_id(f"{article} {words}!") == concept_id(words)


@given(st.text())
def test_any_caption_gives_a_name_that_is_not_empty_nor_long_nor_has_spaces(caption):
    concept = concept_id(caption)
    assert 0 < len(concept) <= 80
    assert not re.search(r"\s|^-|-$", concept)
    assert concept_id(caption) == concept


def test_captions_without_letters_or_too_long_stay_apart():
    assert len({concept_id(text) for text in ("", "…", "...", "!?", "\ud800")}) == 5
    assert concept_id("word " * 40 + "x") != concept_id("word " * 40 + "y")


def test_drops_are_counted_by_source_and_reason_the_largest_first():
    log = DropLog()
    for item in ("a", "b"):
        log.drop("flags", item, "worn")
    log.drop("flags", "c", "torn")
    log.change("mended")
    log.change("mended", 2)
    assert list(log.by_reason().items()) == [(("flags", "worn"), 2), (("flags", "torn"), 1)]
    assert log.drops[2] == Drop("flags", "c", "torn")
    assert log.changes == {"mended": 3}


def test_an_example_is_found_again_by_its_concept_and_variant():
    example = Example(b"", ("mbwa",), "dog", "s", "MIT", "x", variant="google")
    assert (example.item, Example(b"", (), "dog", "s", "MIT", "x").item) == ("dog/google", "dog")
