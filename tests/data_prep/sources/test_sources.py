"""The contract that every source fulfils; the folder is walked, so a new one is held to it too."""

from __future__ import annotations

import re

import pytest

from data_prep import registry, sources
from data_prep.carriers import Https, fetch
from data_prep.errors import UnknownNameError
from data_prep.languages import load_languages
from data_prep.pipeline import load_source
from data_prep.records import DropLog

NAMES = registry.names(sources)


def test_there_are_sources_and_their_file_names_are_their_names():
    assert {"cldr-emoji", "flags", "tuxpaint"} <= set(NAMES)
    assert not [name for name in NAMES if name.startswith("_") or "_" in name]


def test_an_unknown_source_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"There is no source named 'tuxpiant'\. Did you mean tuxpaint"):
        load_source("tuxpiant")


@pytest.mark.parametrize("name", NAMES)
def test_a_source_says_where_it_is_from_and_can_be_had_from_upstream(name):
    about = load_source(name).about
    assert about.title
    assert about.citation
    assert about.pictures
    assert about.homepage.startswith("https://")
    assert about.resources
    assert all(re.fullmatch(r"[A-Za-z0-9.\-]+", licence) for licence in about.licences)
    for resource in about.resources:
        assert re.fullmatch(r"[0-9a-f]{64}", resource.digest)
        assert isinstance(resource.carriers[-1], Https)
        assert all(c.sha256 for c in resource.carriers if not isinstance(c, Https))
        assert len({c.label for c in resource.carriers}) == len(resource.carriers)


@pytest.mark.parametrize("name", NAMES)
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
        assert (example.image_id, example.split) == ("", "")
    assert {d.source for d in log.drops} <= {name}
