"""Every file of languages/ is held to the same contract; the folder is walked, so a new one is too."""

from __future__ import annotations

import json
import sys
import tomllib
import unicodedata
from pathlib import Path

import langcodes
import pytest
from langcodes.data_dicts import MACROLANGUAGES

import languages as package
from data_prep import registry, sources
from data_prep.carriers import fetch
from data_prep.languages import load_languages, read_language, schema
from data_prep.pipeline import load_source
from data_prep.records import DropLog

FOLDER = Path(next(iter(package.__path__)))
FILES = sorted(FOLDER.glob("*.toml"))
CODES = [path.stem for path in FILES]
FIRST = set("sw yo ha ig am zu xh so rw ti wo qu mi te km lo my bn ta ne en".split())  # noqa: SIM905


def test_the_first_languages_are_all_there():
    assert set(CODES) >= FIRST
    assert [language.code for language in load_languages()] == CODES


def test_the_folder_holds_data_only():
    assert {path.suffix for path in FOLDER.iterdir() if path.is_file()} == {".toml", ".json"}


def test_the_shipped_schema_is_what_the_model_gives():
    remedy = """python -c "from data_prep.languages import schema; print(schema(), end='')" > languages/schema.json"""
    assert json.loads((FOLDER / "schema.json").read_text(encoding="utf-8")) == json.loads(schema()), remedy


@pytest.mark.parametrize("path", FILES, ids=CODES)
def test_a_file_fits_the_schema_and_its_model_and_names_the_schema_for_editors(path):
    validators = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    text = path.read_text(encoding="utf-8")
    check = validators.Draft202012Validator(json.loads((FOLDER / "schema.json").read_text(encoding="utf-8")))
    assert [error.message for error in check.iter_errors(tomllib.loads(text))] == []
    assert read_language(path).code == path.stem
    assert text.startswith("#:schema schema.json\n")


@pytest.mark.parametrize("code", CODES)
def test_facts_are_those_of_unicode(code):
    language = read_language(FOLDER / f"{code}.toml")
    known = langcodes.Language.get(code)
    assert langcodes.tag_is_valid(code)
    assert (language.name, language.autonym) == (known.display_name(), known.autonym())
    assert language.script == known.maximize().script
    # Where the code is that of a group, one of its languages: swh for sw, quz for qu.
    members = {member for member, group in MACROLANGUAGES.items() if group == code}
    assert language.iso639_3 in (members or {known.to_alpha3()})


@pytest.mark.parametrize("code", CODES)
def test_direction_is_that_of_the_script(code):
    language = read_language(FOLDER / f"{code}.toml")
    right_to_left = {"Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm", "Rohg", "Mand", "Samr"}
    assert language.direction == ("rtl" if language.script in right_to_left else "ltr")


# Unicode's names of letters begin with the script's.
SCRIPTS = {
    "Latn": ("LATIN", "MODIFIER"), "Ethi": ("ETHIOPIC",), "Telu": ("TELUGU",), "Khmr": ("KHMER",), "Laoo": ("LAO",),
    "Mymr": ("MYANMAR",), "Beng": ("BENGALI",), "Taml": ("TAMIL",), "Deva": ("DEVANAGARI",),
}  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_each_source_that_is_named_really_holds_captions_in_the_languages_script(code):
    language = read_language(FOLDER / f"{code}.toml")
    assert set(language.sources) <= set(registry.names(sources))
    for name, locale in language.sources.items():
        source = load_source(name)
        files = {r.name: fetch(r, progress=False) for r in source.about.resources}
        concepts = {e.concept: e.captions[0] for e in source.examples(locale, files, DropLog()) if e.captions}
        assert len(concepts) >= 100, name
        if language.script in SCRIPTS:
            fits = [
                any(unicodedata.name(c, "").startswith(SCRIPTS[language.script]) for c in t) for t in concepts.values()
            ]
            assert sum(fits) / len(fits) > 0.95, name


def test_the_example_that_shows_how_to_add_one_is_right(tmp_path, monkeypatch):
    guide = FOLDER.parent / "CONTRIBUTING.md"
    if not guide.is_file():
        pytest.skip("CONTRIBUTING.md is not beside an installed package")
    text = guide.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    code = tomllib.loads(text)["code"]
    (tmp_path / f"{code}.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], "FOLDER", tmp_path)
    test_facts_are_those_of_unicode(code)
    test_direction_is_that_of_the_script(code)
    test_each_source_that_is_named_really_holds_captions_in_the_languages_script(code)
    assert f"languages/{code}.toml" in guide.read_text(encoding="utf-8")
