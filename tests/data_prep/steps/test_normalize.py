from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.steps import normalize as step
from data_prep.steps.normalize import normalize


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  a \n\t b\u00a0c ", "a b c"),
        ("o\u0323\u0301", "\u1ecd\u0301"),
        ("e\u0300ko\u0301", "èkó"),
        ("a\x00b\x1fc", "a b c"),
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
        kept = "".join("\ufffd" if unicodedata.category(c) == "Cs" else c for c in t)
        return [c for c in unicodedata.normalize("NFD", kept) if not c.isspace() and unicodedata.category(c) != "Cc"]

    assert letters(found) == letters(text)


def test_repeated_texts_are_folded_and_every_change_is_counted(example, run):
    same = example(captions=("è", "b"), keywords=("k",))
    passed, drops, log = run(step, example(captions=("e\u0300", "è", " b"), keywords=("k", "k ")), same)
    assert passed == [same, same]
    assert drops == []
    assert log.changes == {
        "captions: Unicode, white space or repetition normalized": 1,
        "keywords: Unicode, white space or repetition normalized": 1,
    }
