from __future__ import annotations

import json
from collections import Counter, defaultdict

import pytest

from data_prep.carriers import fetch
from data_prep.languages import load_language
from data_prep.records import DropLog, Example
from data_prep.sources import cldr_emoji, tuxpaint
from data_prep.steps import captions, normalize
from data_prep.steps import untranslated as step
from data_prep.steps._loans import LOANS
from data_prep.steps._text import key
from data_prep.steps.untranslated import KEPT, KEYWORDS, LEFT, SAME, count, keywords_left


@pytest.fixture
def pair(example):
    def build(caption: str, english: str, **fields: object) -> Example:
        return example(captions=(caption,), captions_en=(english,), **fields)

    return build


@pytest.mark.parametrize(
    ("caption", "english"),
    [
        ("polar bear", "polar bear"),
        ("A Violin", "a violin."),
        ("one o'clock", "one o’clock"),
        ("Teddy bear", "Teddy bear"),
    ],
)
def test_several_words_equal_to_the_english_caption_but_for_case_and_punctuation_are_dropped(
    run, pair, caption, english
):
    passed, drops, log = run(step.STEP(), pair(caption, english))
    assert (passed, drops, log.drops[0].text) == ([], [("dog", LEFT)], caption)


@pytest.mark.parametrize(
    ("caption", "english", "category"),
    [
        ("hot dog", "hot dog", ""),
        ("Taxi", "taxi", ""),
        ("Sri Lanka", "Sri Lanka", "Flags"),
        ("China", "China", "Flags"),
        ("Kenya", "Kenya", "Flags"),
    ],
)
def test_loanwords_and_names_of_territories_stay_and_are_counted(run, pair, caption, english, category):
    given = pair(caption, english, category=category)
    passed, drops, log = run(step.STEP(), given)
    assert (passed, drops, +log.changes) == ([given], [], {KEPT: 1})


@pytest.mark.parametrize("name", ["United Kingdom", "Cayman Islands", "South Sudan", "flag: Wales"])
def test_a_territorys_name_with_an_english_word_in_it_is_dropped(run, pair, name):
    assert run(step.STEP(), pair(name, name, category="Flags"))[1] == [("dog", LEFT)]


@pytest.mark.parametrize(("caption", "english"), [("Arm", "arm"), ("Santa Claus", "Santa Claus.")])
def test_other_single_words_and_names_are_kept_and_flagged_and_options_say_otherwise(run, pair, caption, english):
    given = pair(caption, english)
    passed, drops, _ = run(step.STEP(), given)
    assert ([e.flags for e in passed], drops) == ([(SAME,)], [])
    assert run(step.STEP(one_word="drop"), given)[1] == [("dog", LEFT)]
    assert run(step.STEP(one_word="keep"), given)[0] == [given]
    assert run(step.STEP(several_words="flag"), pair("polar bear", "polar bear"))[0][0].flags == (SAME,)


def test_translations_other_spellings_and_english_itself_are_left_alone(run, pair, language):
    translated = [pair("dubu mweupe", "polar bear"), pair("Euro-Banknote", "euro banknote"), pair("mbwa", "dog")]
    passed, drops, log = run(step.STEP(), *translated)
    assert (passed, drops, +log.changes) == (translated, [], {})
    english = [pair("polar bear", "polar bear")]
    assert run(step.STEP(), *english, lang=language("en"))[:2] == (english, [])


def test_of_several_captions_the_english_one_alone_is_left_out(example, run):
    two = example(captions=("dubu mweupe", "polar bear"), captions_en=("white bear", "polar bear"))
    passed, drops, _ = run(step.STEP(), two)
    assert ([e.captions for e in passed], drops) == ([("dubu mweupe",)], [("dog (one of its captions)", LEFT)])


def test_keywords_are_left_in_english_if_they_have_several_words_or_if_all_have_not_been_translated():
    english = ("ball", "rugby", "sport", "curly hair", "american football")
    assert keywords_left(("mpira", "ball", "Curly Hair"), english) == {"Curly Hair"}
    assert keywords_left(("ball", "rugby", "sport", "12", "pizza"), english) == {"ball", "rugby", "sport"}
    assert keywords_left(("ball", "rugby", "mchezo"), english) == set()
    assert keywords_left(("ball", "rugby"), english) == set()


def test_a_single_word_whose_keywords_are_all_in_english_is_dropped_and_keywords_of_others_are_left_out(run, example):
    words = ("lace", "music", "wood")
    flute = {"captions_en": ("flute",), "keywords_en": words}
    leftover = example(captions=("flute",), concept="a", keywords=(*words, "flute"), **flute)
    half = example(captions=("flute",), concept="b", keywords=("lace", "muziki"), **flute)
    own = example(captions=("filimbi",), concept="c", keywords=words, **flute)
    passed, drops, log = run(step.STEP(), leftover, half, own)
    assert drops == [("a", LEFT)]
    assert [(e.concept, e.keywords, e.flags) for e in passed] == [("b", ("lace", "muziki"), (SAME,)), ("c", (), ())]
    assert log.changes[KEYWORDS] == 3


@pytest.fixture(scope="module")
def files():
    return {r.name: fetch(r, progress=False) for s in (cldr_emoji, tuxpaint) for r in s.SOURCE.about.resources}


def test_the_loanwords_are_the_cldr_names_that_five_languages_have_in_english_spelling(files):
    names: dict[str, dict[str, str]] = {}
    for package, table in (
        ("cldr-annotations-full", "annotations"),
        ("cldr-annotations-derived-full", "annotationsDerived"),
    ):
        for path in (files[package] / table).glob("*/annotations.json"):
            found = json.loads(path.read_text(encoding="utf-8"))[table].get("annotations", {})
            named = {k.replace("\ufe0f", ""): v["tts"][0] for k, v in found.items() if v.get("tts")}
            names.setdefault(path.parent.name, {}).update(named)
    shown = {e.captions_en[0] for e in cldr_emoji.SOURCE.examples("en", files, DropLog())}
    english = {k: (key(name), len(name.split())) for k, name in names["en"].items() if name in shown}
    total, equal, spelt = Counter(), Counter(), defaultdict(set)
    for locale, found in names.items():
        code = locale.split("-")[0]
        for k, name in found.items():
            if code != "en" and k in english:
                total[code] += 1
                if (key(name), len(name.split())) == english[k]:
                    equal[code] += 1
                    spelt[key(name)].add(code)
    much = {code for code in total if 10 * equal[code] > total[code]}
    assert {word for word, codes in spelt.items() if len(codes - much) >= 5} == LOANS


def real(code: str, module, files) -> list[Example]:
    language = load_language(code)
    found = module.SOURCE.examples(language.sources[module.NAME], files, DropLog())
    for earlier in (normalize, captions):
        found = earlier.STEP().apply(found, language, DropLog())
    return list(found)


def test_leftovers_of_the_real_files_are_found_and_counts_agree_with_the_steps_log(files):
    for code, module, leftovers, loans in (
        ("zu", cldr_emoji, {"polar bear", "statue of liberty", "eleven o’clock"}, {"om"}),
        ("km", tuxpaint, {"A quetzal.", "A crash cymbal."}, set()),
        ("de", cldr_emoji, set(), {"Pizza", "Hotel"}),
    ):
        examples, language, log = real(code, module, files), load_language(code), DropLog()
        kept = list(step.STEP().apply(examples, language, log))
        dropped = {d.text for d in log.drops}
        assert leftovers <= dropped
        assert loans <= {c for e in kept for c in e.captions}
        counts = count(examples, language)
        assert counts.captions == len({(e.concept, c) for e in examples for c in e.captions})
        assert counts.same == counts.dropped + counts.kept + counts.flagged
        left = {e.item.split("/")[0] for e in examples} - {e.item.split("/")[0] for e in kept}
        assert counts.dropped == len(left)
        assert counts.flagged == len({e.concept for e in kept if SAME in e.flags})
    assert count(real("en", tuxpaint, files), load_language("en")).same == 0
