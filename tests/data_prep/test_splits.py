"""Splits of real data across languages: what one language tests on, no other trains on, look-alikes included."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from data_prep.carriers import fetch
from data_prep.languages import load_language
from data_prep.pictures import Canonical
from data_prep.pipeline import load_source
from data_prep.records import DropLog
from data_prep.rows import Rows
from data_prep.steps.deduplicate import Deduplicate
from data_prep.steps.near_duplicates import NearDuplicates
from data_prep.steps.pictures import Pictures
from data_prep.steps.split import SPLITS, Split

CODES = ("am", "en", "ff", "ha", "iu", "km", "qu", "sw", "te", "wo", "yo", "zu")


@pytest.fixture(scope="module")
def judged() -> dict[str, Rows]:
    """The rows of each language, judged by the real steps; every picture is decoded once."""
    sources = {name: load_source(name) for name in ("cldr-emoji", "flags", "tuxpaint")}
    files = {r.name: fetch(r, progress=False) for s in sources.values() for r in s.about.resources}
    walked = {}
    for code in CODES:
        language = load_language(code)
        named = {name: locale for name, locale in language.sources.items() if name in sources}
        walked[code] = [e for s, locale in named.items() for e in sources[s].examples(locale, files, DropLog())]
    pictures = sorted({e.picture for examples in walked.values() for e in examples})
    decoded = dict(zip(pictures, Pictures().decode(pictures, threads=2), strict=True))
    found = {}
    for code, examples in walked.items():
        outcomes = [decoded[e.picture] for e in examples]
        good = [d.found if isinstance(d.found, Canonical) else Canonical(b"", "", "", bytes(200)) for d in outcomes]
        rows = Rows(
            source=[e.source for e in examples],
            item=[e.item for e in examples],
            concept=[e.concept for e in examples],
            captions=[e.captions for e in examples],
            english=[e.captions_en[0] for e in examples],
            origin=[""] * len(examples),
            licence=[e.licence for e in examples],
            split=[""] * len(examples),
            raw=[d.raw for d in outcomes],
            image_id=[g.image_id for g in good],
            look=np.array([np.frombuffer(g.look, np.uint8) for g in good]),
            kept=np.array([bool(e.captions and g.image_id) for e, g in zip(examples, good, strict=True)]),
            flags={},
        )
        for step in (Deduplicate(), Split(), NearDuplicates()):
            step.judge(rows, load_language(code), DropLog())
        found[code] = rows
    return found


def test_no_concept_and_no_picture_of_a_test_split_is_in_another_languages_training_split(judged):
    tests, trained = set(), set()
    for rows in judged.values():
        for n in rows.still():
            (tests if rows.split[n] == "test" else trained).update([rows.concept[n], rows.raw[n], rows.image_id[n]])
    assert len(tests) > 400
    assert tests.isdisjoint(trained)


def test_no_picture_like_a_test_picture_of_any_language_is_in_anothers_training_split(judged):
    looks = {split: {} for split in SPLITS}
    for rows in judged.values():
        for n in rows.still():
            looks[rows.split[n]][rows.image_id[n]] = rows.look[n]
    trained = np.array(list(looks["train"].values()))
    assert len(looks["test"]) > 400
    for look in looks["test"].values():
        bits = np.unpackbits(trained[:, :8] ^ look[:8], axis=1).sum(axis=1)
        colour = np.abs(trained[:, 8:].astype(int) - look[8:]).mean(axis=1)
        assert not ((bits <= 4) & (colour <= 6)).any()


@pytest.mark.parametrize("code", CODES)
def test_every_language_has_every_split_near_its_share(judged, code):
    rows = judged[code]
    concepts = {rows.concept[n]: rows.split[n] for n in rows.still()}
    for name, share in zip(SPLITS, (0.81, 0.05, 0.14), strict=True):
        count = sum(s == name for s in concepts.values())
        assert binomtest(count, len(concepts), share).pvalue > 1e-4, (name, count)
