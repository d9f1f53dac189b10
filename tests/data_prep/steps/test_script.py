from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import UserError
from data_prep.languages import load_languages
from data_prep.steps import script as step
from data_prep.steps.script import REASON, shares


@pytest.mark.parametrize(
    ("caption", "script"),
    [
        ("mbwa mkubwa", "Latn"),
        ("собака", "Cyrl"),
        ("犬の顔", "Jpan"),
        ("カート", "Jpan"),
        ("개 犬", "Kore"),
        ("狗脸", "Hans"),
        ("ATM", "Ethi"),
        ("DVD", "Kore"),
        ("COOLマーク", "Jpan"),
        ("cool按钮", "Hans"),
        ("x", "Mlym"),
        ("ທະນາຄານ ATM", "Laoo"),
        ("אייל הצפון (שם מדעי: Rangifer tarandus)", "Hebr"),
        ("123 !", "Deva"),
    ],
)
def test_captions_in_their_script_with_loan_acronyms_and_a_word_in_another_stay(
    example, run, language, caption, script
):
    assert run(step.STEP(), example(captions=(caption,)), lang=language(script=script))[1] == []


@pytest.mark.parametrize(
    ("caption", "script"),
    [
        ("A quetzal.", "Khmr"),
        ("´Õ º¢Äó¾¢.", "Taml"),
        ("Sierra Beauty 蘋果", "Hant"),
        ("dog", "Cyrl"),
        ("собака", "Latn"),
        ("ͻwͻ", "Latn"),
        ("DVDs", "Cyrl"),
        ("ひらがな", "Kore"),
    ],
)
def test_captions_mostly_in_another_script_are_dropped(example, run, language, caption, script):
    passed, drops, log = run(
        step.STEP(), example(captions=(caption,)), example(captions=(caption, "1")), lang=language(script=script)
    )
    assert [e.captions for e in passed] == [("1",)]
    assert drops == [("dog", REASON), ("dog (one of its captions)", REASON)]
    assert [d.text for d in log.drops] == [caption, caption]


def test_the_share_is_an_option_and_keywords_in_another_script_are_left_out_and_counted(example, run, language):
    mixed = example(captions=("собака in fog",), keywords=("собака", "dog", "TV"))
    russian = language("ru", script="Cyrl")
    assert run(step.STEP(share=0.7), mixed, lang=russian)[1] == [("dog", REASON)]
    passed, _, log = run(step.STEP(share=0.3), mixed, lang=russian)
    assert passed[0].keywords == ("собака", "TV")
    assert log.changes == {"keywords left out: in another script": 1}


# Unicode's own names say which script a letter is of.
NAMED = {"Cyrl": "CYRILLIC", "Grek": "GREEK", "Latn": "LATIN", "Ethi": "ETHIOPIC", "Deva": "DEVANAGARI"}


@given(st.lists(st.sampled_from(sorted(NAMED.values())), min_size=1, max_size=9), st.sampled_from(sorted(NAMED)))
def test_shares_are_those_of_letters_and_words_by_the_names_of_their_characters(names, script):
    letters = {"CYRILLIC": "жд", "GREEK": "βγ", "LATIN": "dg", "ETHIOPIC": "ውሻ", "DEVANAGARI": "कत"}
    text = " ".join(letters[name] * 3 for name in names)
    of = [unicodedata.name(c).split()[0] for c in text if c.isalpha()]
    mine, words = of.count(NAMED[script]), names.count(NAMED[script])
    assert shares(text, script) == pytest.approx((mine / len(of), words / len(names)))


def test_every_language_that_has_a_file_is_in_a_known_script_that_of_its_own_name():
    for language in load_languages():
        assert max(shares(language.autonym, language.script)) >= 0.5, language.code


def test_an_unknown_script_is_an_error_that_names_the_field(example, run, language):
    with pytest.raises(UserError, match=r"'Qqqq'\. Correct `script` in the language's file"):
        run(step.STEP(), example(), lang=language(script="Qqqq"))
