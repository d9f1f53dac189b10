from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.steps import captions as step
from data_prep.steps.captions import empty

REASONS = {
    "": "the caption is empty",
    "…!?": "the caption is only punctuation",
    "— ☀ —": "the caption is only punctuation",
    "mbw\ufffd": "the caption is not UTF-8, or lost characters (U+FFFD)",
    "a" * 1001: "the caption has more than 1000 characters",
}


@pytest.mark.parametrize(("caption", "reason"), REASONS.items(), ids=range(len(REASONS)))
def test_a_caption_that_says_nothing_is_dropped_with_the_reason(example, run, caption, reason):
    passed, drops, log = run(
        step.STEP(), example(captions=(caption,)), example(captions=("mbwa", caption, "paka"), variant="v")
    )
    assert [e.captions for e in passed] == [("mbwa", "paka")]
    assert drops == [("dog", reason), ("dog/v (one of its captions)", reason)]
    assert [d.text for d in log.drops] == [caption, caption or "mbwa"]


@pytest.mark.parametrize(
    ("options", "caption", "reason"),
    [
        ({"min_characters": 5}, "mbwa", "the caption has fewer than 5 characters"),
        ({"max_characters": 3}, "mbwa", "the caption has more than 3 characters"),
        ({"max_words": 2}, "mbwa wa nyumbani", "the caption has more than 2 words"),
    ],
)
def test_limits_are_options_and_what_just_fits_stays(example, run, options, caption, reason):
    assert run(step.STEP(**options), example(captions=(caption,)))[1] == [("dog", reason)]
    (name, limit), *_ = options.items()
    fits = {name: limit + (-1 if name == "min_characters" else 1)}
    assert run(step.STEP(**fits), example(captions=(caption,)))[1] == []
    assert run(step.STEP(**{name: 0}), example(captions=(caption,)))[1] == []


def test_a_picture_without_any_caption_is_dropped_by_name(example, run):
    assert run(step.STEP(), example(captions=()))[:2] == ([], [("dog", "there is no caption in this language")])


def test_faulty_keywords_are_left_out_and_counted(example, run):
    passed, drops, log = run(step.STEP(), example(keywords=("mnyama", "", "!")))
    assert passed[0].keywords == ("mnyama",)
    assert (drops, log.changes) == ([], {"keywords left out: empty or only punctuation": 2})


@given(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=20))
def test_letters_and_digits_of_any_script_are_a_caption(text):
    assert empty(f"({text})") is None
