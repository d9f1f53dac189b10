"""The contract that every source fulfils; the folder is walked, so a new one is held to it too."""

from __future__ import annotations

import re

import pytest

from data_prep import registry, sources
from data_prep.carriers import Https, fetch
from data_prep.errors import UnknownNameError, UserError
from data_prep.languages import load_languages
from data_prep.pipeline import load_source
from data_prep.records import DropLog

NAMES = registry.names(sources)
FETCHED = [name for name in NAMES if load_source(name).about.pointed is None]
POINTED = [name for name in NAMES if load_source(name).about.pointed is not None]
# The user's own data has no languages of its own: it is in the one asked for.
PUBLIC = [name for name in POINTED if load_source(name).about.locales]


def test_there_are_sources_and_their_file_names_are_their_names():
    assert {"cldr-emoji", "flags", "tuxpaint"} <= set(FETCHED)
    assert {"xm3600", "xtd10", "xtd200", "multi30k", "wit", "bloom-captioning", "marvl"} <= set(PUBLIC)
    assert not [name for name in NAMES if name.startswith("_") or "_" in name]


def test_an_unknown_source_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"There is no source named 'tuxpiant'\. Did you mean tuxpaint"):
        load_source("tuxpiant")


@pytest.mark.parametrize("name", NAMES)
def test_a_source_says_what_it_is_and_whose(name):
    about = load_source(name).about
    assert about.title
    assert about.citation
    assert about.pictures
    assert about.licences
    assert all(re.fullmatch(r"[A-Za-z0-9.\-]+", licence) for licence in about.licences)
    assert len(set(about.licences)) == len(about.licences)
    if name in FETCHED or name in PUBLIC:
        assert about.homepage.startswith("https://")


@pytest.mark.parametrize("name", FETCHED)
def test_a_source_that_carriers_bring_can_be_had_from_upstream(name):
    about = load_source(name).about
    assert about.resources
    for resource in about.resources:
        assert re.fullmatch(r"[0-9a-f]{64}", resource.digest)
        assert isinstance(resource.carriers[-1], Https)
        assert all(c.sha256 for c in resource.carriers if not isinstance(c, Https))
        assert len({c.label for c in resource.carriers}) == len(resource.carriers)


@pytest.mark.parametrize("name", FETCHED)
def test_real_examples_keep_the_contract_and_are_the_same_each_time(name):
    source = load_source(name)
    files = {r.name: fetch(r, progress=False) for r in source.about.resources}
    locale = next(lang.sources[name] for lang in load_languages() if name in lang.sources)
    log = DropLog()
    examples = list(source.examples(locale, files, log))
    assert examples == list(source.examples(locale, files, DropLog()))
    assert sum(bool(e.captions) for e in examples) > 100
    licences = set(source.about.licences)
    for example in examples:
        assert example.source == name
        assert example.concept
        assert example.captions_en
        assert example.attribution
        assert example.picture.is_file()
        assert set(example.licence.split("+")) <= licences
        assert (example.image_id, example.split, example.origin) == ("", "", "")
    assert {d.source for d in log.drops} <= {name}


@pytest.mark.parametrize("name", POINTED)
def test_a_source_pointed_to_says_what_must_lie_there(name):
    pointed = load_source(name).about.pointed
    assert len(pointed.layout) > 20
    if pointed.hub:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", pointed.hub.repo)
        # A commit; or, for a data set that is published as a script, the Hub's own conversion of it.
        assert re.fullmatch(r"[0-9a-f]{40}|refs/convert/parquet", pointed.hub.revision)
        assert pointed.hub.patterns
        assert all(pattern.format(locale="xx") for pattern in pointed.hub.patterns)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_sources_languages_are_named_once_each(name):
    locales = load_source(name).about.locales
    assert len(set(locales)) == len(locales)
    assert all(re.fullmatch(r"[A-Za-z]{2,8}([_-][A-Za-z]{1,9})*", locale) for locale in locales)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_folder_with_something_else_is_answered_with_the_layout(name, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing of the kind")
    source = load_source(name)
    with pytest.raises(UserError) as raised:
        list(source.examples(source.about.locales[0], {"root": tmp_path}, DropLog()))
    assert str(raised.value).startswith(f"{name}: ")
    assert str(tmp_path) in str(raised.value)
    assert source.about.pointed.layout.rstrip(".") in str(raised.value)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_place_that_is_no_folder_is_named(name, tmp_path):
    source = load_source(name)
    with pytest.raises(UserError, match=r"is not a folder|there is no folder"):
        list(source.examples(source.about.locales[0], {"root": tmp_path / "nowhere"}, DropLog()))


@pytest.mark.parametrize("name", [name for name in POINTED if name not in PUBLIC])
def test_own_data_that_is_not_there_is_an_error_of_the_user(name, tmp_path):
    with pytest.raises(UserError):
        list(load_source(name).examples("sw", {"root": tmp_path / "nowhere"}, DropLog()))


@pytest.mark.parametrize("name", NAMES)
def test_languages_name_only_codes_that_the_source_has(name):
    locales = load_source(name).about.locales
    named = {lang.code: lang.sources[name] for lang in load_languages() if name in lang.sources}
    assert not {code: locale for code, locale in named.items() if locales and locale not in locales}
