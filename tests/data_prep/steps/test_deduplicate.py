from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.languages import load_language
from data_prep.records import DropLog, Example
from data_prep.steps.deduplicate import Deduplicate
from data_prep.steps.near_duplicates import NearDuplicates


@pytest.fixture
def judged(rows_of):
    """Places of the examples that stay, and what was dropped as (item, reason)."""

    def judge(*examples: Example):
        rows, log = rows_of(examples), DropLog()
        Deduplicate().judge(rows, load_language("sw"), log)
        return list(rows.still()), [(d.item, d.reason) for d in log.drops]

    return judge


def test_a_picture_belongs_to_the_concept_with_the_shortest_english_name(example, judged):
    france = example(picture=b"flag", concept="france", captions_en=("France",))
    island = example(picture=b"flag", concept="clipperton-island", captions_en=("Clipperton Island",))
    for place, order in enumerate(((france, island), (island, france))):
        kept, drops = judged(*order)
        assert kept == [place]
        assert drops == [("clipperton-island (= france)", "its picture is that of another concept too")]


def test_a_concept_without_caption_in_the_language_owns_its_picture_too(example, judged):
    france = example(picture=b"flag", concept="france", captions_en=("France",), captions=())
    island = example(picture=b"flag", concept="clipperton-island", captions_en=("Clipperton Island",))
    assert judged(france, island)[0] == []


def test_the_same_picture_with_the_same_captions_is_kept_once_and_with_others_twice(example, judged):
    first, again, other = (
        example(picture=b"dog"),
        example(picture=b"dog", variant="copy"),
        example(picture=b"dog", captions=("jibwa",)),
    )
    kept, drops = judged(first, again, other)
    assert kept == [0, 2]
    assert drops == [("dog/copy", "the same picture with the same captions is there already")]


def test_whose_picture_it_is_not_does_not_look_like_its_owner_in_another_split(example, rows_of, make_picture):
    picture = make_picture("red")
    owner = example(picture=picture, concept="france", captions_en=("France",), split="train")
    copy = example(picture=picture, concept="clipperton-island", captions_en=("Clipperton Island",), split="test")
    rows, log = rows_of([copy, owner]), DropLog()
    for step in (Deduplicate(), NearDuplicates()):
        step.judge(rows, load_language("sw"), log)
    assert list(rows.still()) == [1]


CONCEPTS = st.tuples(st.sampled_from([b"1", b"2", b"3"]), st.sampled_from(["a", "bb", "cc", "ddd"]), st.booleans())


@given(st.lists(CONCEPTS, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_picture_has_one_concept_whatever_the_language_has_captions_for(rows_of, found):
    def owners(captioned: bool) -> dict[bytes, set[str]]:
        examples = [
            Example(picture, ("x",) if has or captioned else (), concept, "s", "", "", captions_en=(concept,))
            for picture, concept, has in found
        ]
        rows = rows_of(examples)
        Deduplicate().judge(rows, load_language("sw"), DropLog())
        owned: dict[bytes, set[str]] = {}
        for n in rows.still():
            owned.setdefault(rows.raw[n], set()).add(rows.concept[n])
        return owned

    full, partial = owners(True), owners(False)
    assert all(len(concepts) == 1 for concepts in full.values())
    assert all(concepts == full[picture] for picture, concepts in partial.items())
