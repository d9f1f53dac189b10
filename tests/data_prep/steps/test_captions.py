from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.steps import captions as step
from data_prep.steps.captions import MAX_CHARACTERS, fault

REASONS = {
    "": "the caption is empty",
    "…!?": "the caption is only punctuation",
    "— ☀ —": "the caption is only punctuation",
    "mbw\ufffd": "the caption is not UTF-8, or lost characters (U+FFFD)",
    "a" * (MAX_CHARACTERS + 1): f"the caption has more than {MAX_CHARACTERS} characters",
}


@pytest.mark.parametrize(("caption", "reason"), REASONS.items(), ids=range(len(REASONS)))
def test_a_caption_that_says_nothing_is_dropped_with_the_reason(example, run, caption, reason):
    passed, drops, _ = run(step, example(captions=(caption,)), example(captions=("mbwa", caption), variant="v"))
    assert [e.captions for e in passed] == [("mbwa",)]
    assert drops == [("dog", reason), ("dog/v (one of its captions)", reason)]


def test_a_picture_without_any_caption_is_dropped_by_name(example, run):
    assert run(step, example(captions=()))[:2] == ([], [("dog", "there is no caption in this language")])


def test_faulty_keywords_are_left_out_and_counted(example, run):
    passed, drops, log = run(step, example(keywords=("mnyama", "", "!")))
    assert passed[0].keywords == ("mnyama",)
    assert (drops, log.changes) == ([], {"keywords left out: empty or only punctuation": 2})


@given(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=20))
def test_letters_and_digits_of_any_script_are_a_caption(text):
    assert fault(f"({text})") is None
