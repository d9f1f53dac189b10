from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.steps import normalize as step
from data_prep.steps.normalize import normalize

NFC = "brought into NFC, white space and control characters folded"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  a \n\t b\u00a0c ", "a b c"),
        ("o\u0323\u0301", "\u1ecd\u0301"),
        ("e\u0300ko\u0301", "èkó"),
        ("a\x00b\x1fc", "a b c"),
        ("\ufeffmbwa", "mbwa"),
        ("क्\u200dष \u200cab", "क्\u200dष \u200cab"),
        ("a\ud800b", "a\ufffdb"),
        ("", ""),
    ],
)
def test_text_is_composed_and_its_white_space_folded(text, wanted):
    assert normalize(text) == wanted


@given(st.text(st.characters()))
def test_it_is_nfc_once_and_for_all_and_no_letter_is_lost(text):
    found = normalize(text)
    assert unicodedata.is_normalized("NFC", found)
    assert normalize(found) == found
    assert found == found.strip()

    def letters(t: str) -> list[str]:
        kept = "".join("\ufffd" if unicodedata.category(c) == "Cs" else c for c in t if c != "\ufeff")
        return [c for c in unicodedata.normalize("NFD", kept) if not c.isspace() and unicodedata.category(c) != "Cc"]

    assert sorted(letters(found)) == sorted(letters(text))


def test_repeated_texts_are_folded_into_the_first_and_every_change_is_counted(example, run):
    folded = example(captions=("è", "b"), keywords=("k",))
    mixed = example(captions=("e\u0300", "È!", " b"), keywords=("k", "K", "k "))
    passed, drops, log = run(step.STEP(), mixed, folded)
    assert passed == [folded, folded]
    assert drops == []
    assert +log.changes == {
        f"captions: {NFC}": 2,
        f"keywords: {NFC}": 1,
        "captions: repeated, but for case and punctuation": 1,
        "keywords: repeated, but for case and punctuation": 2,
    }


def test_captions_that_differ_in_a_diacritic_alone_stay_two(example, run):
    two = example(captions=("ọkọ", "ọkọ́"))
    assert run(step.STEP(), two)[0] == [two]


OPTIONS = [
    ({"tatweel": "drop"}, "كــلب", "كلب", "tatweel dropped"),
    ({"presentation_forms": True}, "\ufedb\ufee0\ufe90", "كلب", "Arabic presentation forms folded"),
    # A vowel mark in its isolated form puts no space into the word; ligatures come apart.
    ({"presentation_forms": True}, "\ufefb\ufe76", "لا\u064e", "Arabic presentation forms folded"),
    ({"vowel_marks": "drop"}, "كَلْبٌ", "كلب", "vowel marks dropped"),
    ({"vowel_marks": "drop"}, "כֶּלֶב", "כלב", "vowel marks dropped"),
    ({"ethiopic_punctuation": True}, "ውሻ ፡፡ ድመት::", "ውሻ። ድመት።", "Ethiopic full stops mended"),
    ({"ethiopic_punctuation": True}, "ውሻ ። ።", "ውሻ ።", "Ethiopic full stops mended"),
]


@pytest.mark.parametrize(("options", "text", "wanted", "what"), OPTIONS)
def test_what_suits_one_script_is_an_option_off_by_default_and_counted(example, run, options, text, wanted, what):
    given_ = example(captions=(text,), keywords=(text,))
    assert run(step.STEP(), given_)[0][0].captions == (unicodedata.normalize("NFC", text),)
    passed, _, log = run(step.STEP(**options), given_)
    assert passed[0].captions == passed[0].keywords == (wanted,)
    assert (log.changes[f"captions: {what}"], log.changes[f"keywords: {what}"]) == (1, 1)


ALL = step.STEP(tatweel="drop", presentation_forms=True, vowel_marks="drop", ethiopic_punctuation=True)


@pytest.mark.parametrize(
    "text",
    [
        "ọkọ̀ ojú-irin",
        "con chó mèo",
        "घोड़ा",
        "12:30 :: 5",
        "ሰዓት 1፡00",
        "أآؤئ",
        "ﬁne ½ ①",
        "ม้า",
    ],
)
def test_even_with_all_options_other_scripts_diacritics_clock_times_and_letters_with_hamza_stay(example, run, text):
    text = unicodedata.normalize("NFC", text)
    assert run(ALL, example(captions=(text,)))[0][0].captions == (text,)


@given(st.text(st.characters(min_codepoint=0x600, max_codepoint=0x6FF) | st.characters(min_codepoint=0xFB50)))
def test_options_leave_text_that_is_stable_and_without_what_they_drop(text):
    once = text
    for _, change in ALL._kinds():
        once = change(once)
    once = normalize(once)
    assert not any(0x64B <= ord(c) <= 0x652 or c == "\u0640" for c in once)
    assert not [c for c in once if "\ufe70" <= c <= "\ufefc"]
    assert unicodedata.is_normalized("NFC", once)
