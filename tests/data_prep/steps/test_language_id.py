from __future__ import annotations

import sys

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from data_prep.errors import UserError
from data_prep.languages import load_language, load_languages
from data_prep.steps import language_id as step
from data_prep.steps.language_id import ENGLISH, FLAG, labels


def judged(run, example, code, *captions, **options):
    passed, drops, log = run(
        step.STEP(**options), *(example(captions=(c,), concept=c) for c in captions), lang=load_language(code)
    )
    flagged = [e.captions[0] for e in passed if FLAG in e.flags]
    return [item for item, reason in drops if reason == ENGLISH], flagged, log.notes


def test_a_caption_in_english_is_dropped_and_one_in_a_third_language_flagged_among_right_ones(run, example):
    right = ["mbwa mkubwa mweusi amelala", "watoto wawili wanacheza mpira", "uso wa mbwa unaotabasamu"]
    english = ["a big black dog is sleeping", "two children play with a ball"]
    french = "un grand chien noir dort dans la rue"
    assert judged(run, example, "sw", *right, *english, french) == (english, [french], [])


def test_short_captions_are_not_judged_unless_the_option_says_so(run, example):
    assert judged(run, example, "sw", "the dog's house")[0] == ["the dog's house"]
    assert judged(run, example, "sw", "beautiful flowers") == ([], [], [])
    assert judged(run, example, "sw", "beautiful flowers", words=1)[0] == ["beautiful flowers"]


def test_another_language_must_be_so_many_times_as_likely_as_the_identifier_says(run, example):
    caption = "picha of a table"
    found = step.likelihoods(caption)
    ratio = found["en"] / found["sw"]
    assert max(found.values()) < 2 * found["en"]
    assert judged(run, example, "sw", caption, odds=0.99 * ratio)[0] == [caption]
    assert judged(run, example, "sw", caption, odds=1.01 * ratio)[0] == []


def test_siblings_are_not_told_apart(run, example):
    # "A big white dog lies on the grass" in Bokmål, among Danish.
    assert judged(run, example, "da", "en stor hvit hund ligger på gresset") == ([], [], [])


def test_of_several_captions_the_english_one_alone_is_left_out(run, example):
    two = example(captions=("mbwa mkubwa mweusi amelala", "a big black dog is sleeping"))
    passed, drops, _ = run(step.STEP(), two, lang=load_language("sw"))
    assert ([e.captions for e in passed], drops) == (
        [("mbwa mkubwa mweusi amelala",)],
        [("dog (one of its captions)", ENGLISH)],
    )


def test_where_the_identifier_does_not_know_the_language_only_english_is_looked_for_and_a_note_says_so(run, example):
    english, flagged, notes = judged(
        run,
        example,
        "mi",
        "he kurī pango nui",
        "un grand chien noir dort dans la rue",
        "the children are playing outside",
    )
    assert (english, flagged) == (["the children are playing outside"], [])
    assert notes == ["The language identifier does not know Māori: only English was looked for."]


def test_english_is_left_alone(run, example):
    assert judged(run, example, "en", "un grand chien noir dort dans la rue") == ([], [], [])


def test_labels_are_those_of_the_identifier_in_the_languages_script():
    known = set(LanguageIdentifier.from_model_file(MODEL_FILE).labels)
    found = {language.code: labels(language) for language in load_languages()}
    assert all(names <= known for names in found.values())
    assert {code: set(found[code]) for code in ("sw", "nb", "fil", "zh-Hant", "kk", "kk-Arab", "mi")} == {
        "sw": {"sw"},
        "nb": {"no"},
        "fil": {"tl"},
        "zh-Hant": {"zh"},
        "kk": {"kk"},
        "kk-Arab": set(),
        "mi": set(),
    }


def test_without_the_package_the_error_names_the_install_command(run, example, monkeypatch):
    step._identifier.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    try:
        with pytest.raises(UserError, match=r'needs the package py3langid.*pip install "mlilt\[lid\]"'):
            judged(run, example, "sw", "mbwa mkubwa mweusi")
    finally:
        step._identifier.cache_clear()
