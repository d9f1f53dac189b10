from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from data_prep.carriers import fetch
from data_prep.languages import load_languages
from data_prep.pipeline import load_source
from data_prep.records import DropLog, Example
from data_prep.steps import deduplicate, split
from data_prep.steps.split import SPLITS, TEST_SHARE, VALIDATION_SHARE, split_of


def reference(concept: str) -> str:
    """The split by its definition, in exact arithmetic."""
    place = int(hashlib.sha256(f"mlilt-split-1:{concept}".encode()).hexdigest()[:16], 16)
    if place * 100 < 14 * 2**64:
        return "test"
    return "validation" if place * 100 < 19 * 2**64 else "train"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_concept_has_one_split_by_the_hash_of_its_name_alone(concept):
    assert split_of(concept) == split_of(concept) == reference(concept)
    examples = [
        Example(b"1", ("mbwa",), concept, "flags", "", "", split="train"),
        Example(b"2", ("aja", "ajá"), concept, "tuxpaint", "MIT", "x", captions_en=("x",), variant="v"),
    ]
    assert {e.split for e in split.apply(iter(examples), DropLog())} == {split_of(concept)}


def test_shares_are_fourteen_and_five_in_a_hundred():
    assert (TEST_SHARE, VALIDATION_SHARE) == (0.14, 0.05)
    count = 20_000
    found = [split_of(f"concept-{i}") for i in range(count)]
    for name, share in (("test", 0.14), ("validation", 0.05), ("train", 0.81)):
        assert binomtest(found.count(name), count, share).pvalue > 1e-4


@pytest.fixture(scope="module")
def owned() -> dict[str, dict[str, tuple[str, str]]]:
    """For each language and each of its pictures, by digest: the concept that owns it and its split."""
    sources = {name: load_source(name) for name in ("cldr-emoji", "flags", "tuxpaint")}
    files = {r.name: fetch(r, progress=False) for s in sources.values() for r in s.about.resources}
    digests: dict[Path | bytes, str] = {}

    def digest(picture: Path | bytes) -> str:
        if picture not in digests:
            digests[picture] = deduplicate.picture_digest(picture)
        return digests[picture]

    found = {}
    for language in load_languages():
        raw = [e for s, locale in language.sources.items() for e in sources[s].examples(locale, files, DropLog())]
        kept = split.apply(deduplicate.apply(iter(raw), DropLog()), DropLog())
        found[language.code] = {digest(e.picture): (e.concept, e.split) for e in kept if e.captions}
    return found


def test_no_concept_and_no_picture_of_a_test_split_is_in_another_languages_training_split(owned):
    assert len(owned) >= 21
    tests = {thing for found in owned.values() for d, (c, s) in found.items() if s == "test" for thing in (c, d)}
    trained = {thing for found in owned.values() for d, (c, s) in found.items() if s != "test" for thing in (c, d)}
    assert len(tests) > 400
    assert tests.isdisjoint(trained)


def test_every_language_has_every_split_near_its_share(owned):
    for code, found in owned.items():
        concepts = dict(found.values())
        for name, share in zip(SPLITS, (0.81, 0.05, 0.14), strict=True):
            count = sum(s == name for s in concepts.values())
            assert binomtest(count, len(concepts), share).pvalue > 1e-4, (code, name, count)
