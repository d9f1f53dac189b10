from __future__ import annotations

import langcodes
import pytest

from data_prep.languages import load_languages
from data_prep.records import DropLog
from data_prep.sources._own_language import RowLanguages, Tongue

LANGUAGES = {language.code: language for language in load_languages()}


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_language_is_known_by_its_tags_and_names_and_not_by_those_of_others(code):
    language, tongue = LANGUAGES[code], Tongue(code)
    # pa-Arab is Western Punjabi, pan the Eastern one: the codes agree only where a tag is the language's alone.
    alpha3 = langcodes.Language.get(code).to_alpha3() if "-" not in code else code
    for tag in (code, alpha3, language.iso639_3, language.name, language.autonym.upper()):
        assert tongue.is_named(tag), tag
    assert tongue.is_named(f" {language.iso639_3}_{language.script} ")
    others = [other for other in LANGUAGES if other.split("-")[0] != code.split("-")[0]]
    assert [other for other in others if tongue.is_named(other)] == []


@pytest.mark.parametrize(
    ("code", "yes", "no"),
    [
        ("sw", ["sw-KE", "swh_Latn", "swa", "Swahili", "kiswahili"], ["swc", "sw-Arab", "sv", "", "swahili wa mtaani"]),
        ("pt-BR", ["pt", "pt_BR", "pt-Latn-BR"], ["pt-PT", "es"]),
        ("sr-Latn", ["sr", "sr_Latn_RS", "SR-LATN"], ["sr-Cyrl", "hr"]),
        ("qqq", ["qqq", "qqq-Latn"], ["qu", "qqa"]),
    ],
)
def test_another_script_or_region_is_another_language(code, yes, no):
    assert [tag for tag in (*yes, *no) if Tongue(code).is_named(tag)] == yes


def test_a_column_of_anything_else_is_counted_in_flat_memory(tmp_path):
    languages, log = RowLanguages(Tongue("sw")), DropLog()
    assert [languages.role("lang", tag) for tag in ("sw", "eng", "")] == ["caption", "english", ""]
    assert {languages.role("lang", f"text {n}") for n in range(3000)} == {""}
    assert languages.role("lang", "swh") == "caption"
    languages.tell("csv", tmp_path, log)
    counts = [int(d.item.split()[0].replace(",", "")) for d in log.drops]
    assert (len(counts) <= 1001, sum(counts), {d.reason for d in log.drops}) == (
        True,
        3001,
        {"rows in another language"},
    )
