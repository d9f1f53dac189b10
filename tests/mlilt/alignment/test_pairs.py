"""Which captions and pictures belong together, against the plain definition."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from mlilt.alignment.pairs import Pairs


@st.composite
def batches(draw: st.DrawFn) -> Pairs:
    captions = draw(st.integers(1, 6))
    number = st.integers(0, 3)
    concept = draw(st.lists(number, min_size=captions, max_size=captions))
    words = draw(st.lists(number, min_size=captions, max_size=captions))
    # Every caption has a picture of its own, further pictures belong to any.
    owner = [*range(captions), *draw(st.lists(st.integers(0, captions - 1), max_size=5))]
    image = draw(st.lists(number, min_size=len(owner), max_size=len(owner)))
    return Pairs(torch.tensor(owner), torch.tensor(image), torch.tensor(concept), torch.tensor(words))


def expected(pairs: Pairs) -> torch.Tensor:
    owner, image = pairs.owner.tolist(), pairs.image.tolist()
    concept, words = pairs.concept.tolist(), pairs.caption.tolist()
    rows = []
    for c in range(len(concept)):
        mine = {image[p] for p, o in enumerate(owner) if o == c}
        rows.append([concept[o] == concept[c] or words[o] == words[c] or image[p] in mine for p, o in enumerate(owner)])
    return torch.tensor(rows)


@given(batches())
def test_positives_are_those_of_the_plain_definition(pairs: Pairs) -> None:
    assert torch.equal(pairs.positive(), expected(pairs))


@given(batches(), st.data())
def test_a_part_is_that_part_of_the_whole(pairs: Pairs, data: st.DataObject) -> None:
    captions, pictures = (
        slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))))
        for n in (len(pairs.concept), len(pairs.owner))
    )
    assert torch.equal(pairs.positive(captions, pictures), expected(pairs)[captions, pictures])


@given(batches())
def test_translations_of_one_concept_or_the_same_words_are_right(pairs: Pairs) -> None:
    found = pairs.translations()
    for one, (concept, words) in enumerate(zip(pairs.concept, pairs.caption, strict=True)):
        for other in range(len(pairs.concept)):
            right = one == other or concept == pairs.concept[other] or words == pairs.caption[other]
            assert bool(found[one, other]) == bool(right)
    assert torch.equal(pairs.translations(slice(1, 3), slice(0, 2)), found[1:3, 0:2])
