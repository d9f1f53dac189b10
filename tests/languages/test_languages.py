"""Every file of languages/ is held to the same contract; the folder is walked, so a new one is too."""

from __future__ import annotations

import json
import re
import sys
import tomllib
import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path

import langcodes
import pytest
from langcodes.data_dicts import MACROLANGUAGES

import languages as package
from data_prep import registry, sources
from data_prep.carriers import fetch
from data_prep.languages import Language, load_languages, read_language, schema
from data_prep.pipeline import load_source
from data_prep.records import DropLog
from data_prep.sources import _tables
from data_prep.steps import _spec

FOLDER = Path(next(iter(package.__path__)))
FILES = sorted(FOLDER.glob("*.toml"))
CODES = sorted(path.stem for path in FILES)
FIRST = set("sw yo ha ig am zu xh so rw ti wo qu mi te km lo my bn ta ne en".split())  # noqa: SIM905
FETCHED = [name for name in registry.names(sources) if load_source(name).about.resources]

# A variant of a region is no language of its own; its language has a file. Files take what each is the default of.
REGIONAL = {
    "pt-PT": "CLDR's pt is Brazil's",
    "yo-BJ": "Yoruba in Benin's spelling",
    "pt": "Tux Paint's pt is Portugal's; with CLDR's pt goes pt_BR",
    "en_GB": "English",
    "en_AU": "English",
    "ca@valencia": "Catalan",
}


def shipped(code: str) -> Language:
    return read_language(FOLDER / f"{code}.toml")


def files_of(source: str) -> dict[str, Path]:
    return {r.name: fetch(r, progress=False) for r in load_source(source).about.resources}


def test_there_is_a_file_for_each_language_that_the_sources_cover_and_for_no_other():
    base = files_of("cldr-emoji")["cldr-annotations-full"] / "annotations"
    covered = {"cldr-emoji": set(), "tuxpaint": set()}
    for path in base.glob("*/annotations.json"):
        table = json.loads(path.read_text(encoding="utf-8"))["annotations"].get("annotations", {})
        if sum(bool(entry.get("tts")) for entry in table.values()) >= 1000:
            covered["cldr-emoji"].add(path.parent.name)
    counts = Counter(
        match[1].decode()
        for path in files_of("tuxpaint")["tuxpaint-stamps"].rglob("*.txt")
        for match in re.finditer(rb"^([A-Za-z_@]+)\.utf8=.*\S", path.read_bytes(), re.M)
    )
    covered["tuxpaint"] = {"en", *(locale for locale, count in counts.items() if count >= 300)}
    named = {name: {locale for x in load_languages() if (locale := x.sources.get(name))} for name in covered}
    assert {name: covered[name] - named[name] - set(REGIONAL) for name in covered} == {name: set() for name in covered}
    assert [x.code for x in load_languages() if not any(x.sources.get(n) in covered[n] for n in covered)] == []
    assert set(CODES) >= FIRST
    assert len(CODES) >= 110
    assert [language.code for language in load_languages()] == CODES


def test_the_folder_holds_data_only():
    assert {path.suffix for path in FOLDER.iterdir() if path.is_file()} == {".toml", ".json"}


def test_the_shipped_schema_is_what_the_model_gives():
    remedy = """python -c "from data_prep.languages import schema; print(schema(), end='')" > languages/schema.json"""
    assert json.loads((FOLDER / "schema.json").read_text(encoding="utf-8")) == json.loads(schema()), remedy


def test_a_file_fits_the_schema_and_its_model_and_names_the_schema_for_editors():
    validators = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    check = validators.Draft202012Validator(json.loads((FOLDER / "schema.json").read_text(encoding="utf-8")))
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert [error.message for error in check.iter_errors(tomllib.loads(text))] == [], path
        assert read_language(path).code == path.stem
        assert text.startswith("#:schema schema.json\n"), path


# Where the package has no name in the language itself, or its data and ours are of two minds.
AUTONYMS = {
    "kk-Arab": "قازاق ٴتىلى",  # it has none and gives the English name
    "iu": "ᐃᓄᒃᑎᑐᑦ",  # it gives the name in Latin letters, the captions are in syllabics
}
ISO639_3 = {
    "ff": "fuc",  # a group; the package says itself that its usual form is Senegal's, Pulaar
    "pa-Arab": "pnb",  # ISO 639-3 splits by country what BCP-47 splits by script
    "ak": "twi",  # one of the group, whose two-letter code tw the package does not lengthen
}
FLORES = {
    "fil": ["tgl_Latn"],  # Filipino is standardized Tagalog
    "ko": ["kor_Hang"],  # Kore is Hang and Hani; FLORES-200 has no Hani
}


@pytest.mark.parametrize("code", CODES)
def test_facts_are_those_of_unicode(code):
    language = shipped(code)
    known = langcodes.Language.get(code)
    full = known.maximize()
    assert langcodes.tag_is_valid(code)
    assert str(known) == code
    assert (language.name, language.autonym) == (known.display_name(), AUTONYMS.get(code, known.autonym()))
    assert language.script == full.script
    # A script is told where it is not the one that the language is usually written in.
    assert (known.script is None) == (full.script == langcodes.Language.get(known.language).maximize().script)
    assert language.iso639_1 == (known.language if len(known.language) == 2 else None)
    # Where the code is that of a group, one of its languages: swh for sw, quz for qu.
    members = {member for member, group in MACROLANGUAGES.items() if group == known.language}
    assert language.iso639_3 in ({ISO639_3[code]} if code in ISO639_3 else members or {known.to_alpha3()})
    long = {language.iso639_3, known.to_alpha3(), langcodes.Language.get(known.language).to_alpha3()}
    fitting = {f"{iso}_{language.script}" for iso in long}
    assert set(language.flores200) <= set(FLORES.get(code, fitting))
    assert (set(language.flores200) <= set(load_source("laion-coco-nllb").about.locales)) or code == "en"


RIGHT_TO_LEFT = {"Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm", "Rohg", "Mand", "Samr"}


def test_direction_is_that_of_the_script():
    wrong = [x.code for x in load_languages() if (x.direction == "rtl") != (x.script in RIGHT_TO_LEFT)]
    assert wrong == []


def test_no_fact_is_left_open_and_a_branch_is_of_one_family():
    families: dict[str, set[str | None]] = {}
    for language in load_languages():
        assert None not in (language.family, language.pretraining), language.code
        # Esperanto is at home nowhere.
        assert (language.macroarea is None) == (language.code == "eo")
        if language.branch:
            families.setdefault(language.branch, set()).add(language.family)
    assert {branch for branch, of in families.items() if len(of) > 1} == set()


# As XLM-R's authors list its languages (Conneau et al., 2020) and mBERT's theirs (cased).
XLM_R = """Afrikaans, Albanian, Amharic, Arabic, Armenian, Assamese, Azerbaijani, Basque, Belarusian, Bengali, Bosnian,
Breton, Bulgarian, Burmese, Catalan, Chinese (Simplified), Chinese (Traditional), Croatian, Czech, Danish, Dutch,
English, Esperanto, Estonian, Filipino, Finnish, French, Galician, Georgian, German, Greek, Gujarati, Hausa, Hebrew,
Hindi, Hungarian, Icelandic, Indonesian, Irish, Italian, Japanese, Javanese, Kannada, Kazakh, Khmer, Korean, Kurdish,
Kyrgyz, Lao, Latin, Latvian, Lithuanian, Macedonian, Malagasy, Malay, Malayalam, Marathi, Mongolian, Nepali, Norwegian,
Odia, Oromo, Pashto, Persian, Polish, Portuguese, Punjabi, Romanian, Russian, Sanskrit, Scottish Gaelic, Serbian,
Sindhi, Sinhala, Slovak, Slovenian, Somali, Spanish, Sundanese, Swahili, Swedish, Tamil, Telugu, Thai, Turkish,
Ukrainian, Urdu, Uyghur, Uzbek, Vietnamese, Welsh, Western Frisian, Xhosa, Yiddish"""
MBERT = """Afrikaans, Albanian, Arabic, Aragonese, Armenian, Asturian, Azerbaijani, Bashkir, Basque, Bavarian,
Belarusian, Bengali, Bishnupriya, Bosnian, Breton, Bulgarian, Burmese, Catalan, Cebuano, Chechen, Chinese (Simplified),
Chinese (Traditional), Chuvash, Croatian, Czech, Danish, Dutch, English, Estonian, Finnish, French, Galician, Georgian,
German, Greek, Gujarati, Haitian, Hebrew, Hindi, Hungarian, Icelandic, Ido, Indonesian, Irish, Italian, Japanese,
Javanese, Kannada, Kazakh, Kyrgyz, Korean, Latin, Latvian, Lithuanian, Lombard, Low German, Luxembourgish, Macedonian,
Malagasy, Malay, Malayalam, Marathi, Minangkabau, Mongolian, Nepali, Newar, Norwegian Bokmål, Norwegian Nynorsk,
Occitan, Persian, Piedmontese, Polish, Portuguese, Punjabi, Romanian, Russian, Scots, Serbian, Serbo-Croatian,
Sicilian, Slovak, Slovenian, South Azerbaijani, Spanish, Sundanese, Swahili, Swedish, Tagalog, Tajik, Tamil, Tatar,
Telugu, Thai, Turkish, Ukrainian, Urdu, Uzbek, Vietnamese, Volapük, Waray, Welsh, Western Frisian, Western Panjabi,
Yoruba"""
# Names that the package does not find, and those whose code is another's file: Norwegian is Bokmål above all, Western
# Panjabi is Punjabi in Arabic script. Serbian is listed without its script and is written in both.
ALSO = {
    "Chinese (Simplified)": "zh", "Chinese (Traditional)": "zh-Hant", "Norwegian": "nb", "Western Panjabi": "pa-Arab",
    "Serbo-Croatian": "sh", "Newar": "new",
}  # fmt: skip


@pytest.mark.parametrize(("model", "listed"), [("xlm-r", XLM_R), ("mbert", MBERT)])
def test_pretraining_is_as_the_models_authors_list_it(model, listed):
    names = re.split(r",\s+", listed)
    saw = {ALSO.get(name) or langcodes.standardize_tag(str(langcodes.find(name))) for name in names}
    saw |= {"sr-Latn"} if "sr" in saw else set()
    assert len(saw) >= len(names) - 1
    assert {x.code for x in load_languages() if model in x.pretraining} == saw & set(CODES)


def test_what_is_normalized_suits_the_script_and_no_mark_is_dropped():
    for language in load_languages():
        options = language.steps.get("normalize", {})
        assert (options.get("tatweel"), options.get("presentation_forms")) == (
            ("drop", True) if language.script == "Arab" else (None, None)
        ), language.code
        assert options.get("vowel_marks") == ("keep" if language.script in {"Arab", "Hebr"} else None), language.code
        assert options.get("ethiopic_punctuation") == (True if language.script == "Ethi" else None), language.code
        for step, given in language.steps.items():
            _spec.load(step, given)


@pytest.mark.parametrize("source", registry.names(sources))
def test_a_source_is_named_with_a_code_of_its_own(source):
    about = load_source(source).about
    named = {language.code: language.sources[source] for language in load_languages() if source in language.sources}
    if about.locales:
        assert {code: locale for code, locale in named.items() if locale not in about.locales} == {}
        assert named, f"no language names {source}"
    # The user's own data, which has no home, is in whatever language they say.
    assert about.homepage or not named
    assert (
        sorted({name for language in load_languages() for name in language.sources} - set(registry.names(sources)))
        == []
    )


# Unicode's names of letters begin with the script's.
SCRIPTS = {
    "Arab": ("ARABIC",), "Armn": ("ARMENIAN",), "Beng": ("BENGALI",), "Cans": ("CANADIAN",), "Cher": ("CHEROKEE",),
    "Cyrl": ("CYRILLIC",), "Deva": ("DEVANAGARI",), "Ethi": ("ETHIOPIC",), "Geor": ("GEORGIAN",), "Grek": ("GREEK",),
    "Gujr": ("GUJARATI",), "Guru": ("GURMUKHI",), "Hans": ("CJK",), "Hant": ("CJK",), "Hebr": ("HEBREW",),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA"), "Khmr": ("KHMER",), "Knda": ("KANNADA",), "Kore": ("HANGUL",),
    "Laoo": ("LAO",), "Latn": ("LATIN", "MODIFIER"), "Mlym": ("MALAYALAM",), "Mymr": ("MYANMAR",), "Orya": ("ORIYA",),
    "Sinh": ("SINHALA",), "Taml": ("TAMIL",), "Telu": ("TELUGU",), "Thai": ("THAI",),
}  # fmt: skip


def faults(source: str, language: Language) -> list[str]:
    """What is wrong with a fetched source's captions in a language: too few, or not in its script."""
    examples = load_source(source).examples(language.sources[source], files_of(source), DropLog())
    concepts = {e.concept: e.captions[0] for e in examples if e.captions}
    fits = sum(any(unicodedata.name(c, "").startswith(SCRIPTS[language.script]) for c in t) for t in concepts.values())
    return [
        *([f"{language.code}: only {len(concepts)} captions"] if len(concepts) < 100 else []),
        *([f"{language.code}: {fits} of {len(concepts)} in its script"] if fits <= 0.9 * len(concepts) else []),
    ]


@pytest.fixture
def read_once(monkeypatch):
    """Files that every language needs are read once, not for each."""
    read_bytes = lru_cache(maxsize=2000)(Path.read_bytes)
    monkeypatch.setattr("data_prep.sources.tuxpaint.Path.read_bytes", lambda path: read_bytes(path))

    @lru_cache(maxsize=8)
    def read(path, keys, kind):
        return _tables.read_table(path, keys, kind, "", DropLog())

    for name in ("_emoji", "cldr_emoji", "flags"):
        monkeypatch.setattr(
            f"data_prep.sources.{name}.read_table", lambda path, keys, kind, source, log: read(path, keys, kind)
        )


@pytest.mark.usefixtures("read_once")
@pytest.mark.parametrize("source", FETCHED)
def test_a_fetched_source_really_holds_captions_in_the_languages_script(source):
    assert {language.script for language in load_languages()} <= set(SCRIPTS)
    assert [f for x in load_languages() if source in x.sources for f in faults(source, x)] == []


def test_the_example_that_shows_how_to_add_one_is_right(tmp_path, monkeypatch):
    guide = FOLDER.parent / "CONTRIBUTING.md"
    if not guide.is_file():
        pytest.skip("CONTRIBUTING.md is not beside an installed package")
    text = guide.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    code = tomllib.loads(text)["code"]
    assert code not in CODES, "the example should be of a language without a file"
    (tmp_path / f"{code}.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], "FOLDER", tmp_path)
    language = shipped(code)
    test_facts_are_those_of_unicode(code)
    assert (language.direction == "rtl") == (language.script in RIGHT_TO_LEFT)
    assert [f for source in language.sources if source in FETCHED for f in faults(source, language)] == []
    for source, locale in language.sources.items():
        assert locale in (load_source(source).about.locales or [locale])
    assert f"languages/{code}.toml" in guide.read_text(encoding="utf-8")
