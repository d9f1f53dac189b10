from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.assessment import Measured
from mlilt.assessment._base import Asked, Subject
from mlilt.assessment.bitext import TEST
from mlilt.data import Row
from mlilt.model import encode_captions
from mlilt.training.corpus import Split


def asked(language: str, *named: tuple[str, str, str]) -> Asked:
    """A test split of (concept, source, name)."""
    rows = [
        Row(f"{place}", (name,), (), (), concept, source, "", "", language)
        for place, (concept, source, name) in enumerate(named)
    ]
    found = Asked(language, Path("nowhere"), language)
    found.__dict__["split"] = Split(rows, [])
    return found


def test_each_name_looks_for_its_concepts_in_the_other_language(
    real_subject: Subject, found: list[Measured], small_sw: Prepared, small_en: Prepared
) -> None:
    rows = {"en": data.read_rows(small_en.folder, "test"), "sw": data.read_rows(small_sw.folder, "test")}
    both = {row.concept for row in rows["en"]} & {row.concept for row in rows["sw"]}
    # In these small sets each concept has one source.
    names = {
        code: {concept: next(r.captions[0] for r in those if r.concept == concept) for concept in sorted(both)}
        for code, those in rows.items()
    }
    assert all(len(set(those.values())) == len(both) for those in names.values())
    vectors = {
        code: [real_subject.language_vectors([name])[0].astype(np.float64) for name in those.values()]
        for code, those in names.items()
    }
    expected = {}
    for place, concept in enumerate(sorted(both)):
        right = 0
        for one, other in (("en", "sw"), ("sw", "en")):
            cosines = [float(vectors[one][place] @ vector) for vector in vectors[other]]
            right += max(range(len(both)), key=cosines.__getitem__) == place
        expected[concept] = right / 2
    [measured] = [m for m in found if m.test == "bitext"]
    assert measured.on == "en-sw"
    assert dict(zip(measured.items, measured.values["accuracy"], strict=True)) == expected
    assert 0 < np.mean(list(expected.values())) < 1
    assert measured.chance == {"accuracy": pytest.approx(1 / len(both))}
    same = [names["en"][c].casefold() == names["sw"][c].casefold() for c in sorted(both)]
    assert measured.about == {"identical": pytest.approx(np.mean(same))}


def test_what_shares_a_name_in_one_language_shares_its_translations(real_subject: Subject) -> None:
    # Both cats are "paka"; the second cat and the dog are called "feline" alike. So all of these names but one pair
    # translate each other: "mbwa" is never "cat".
    one = asked("sw", ("a", "s", "paka"), ("b", "s", "Paka"), ("c", "s", "mbwa"))
    other = asked("en", ("a", "s", "cat"), ("b", "s", "feline"), ("c", "s", "feline"))
    [measured] = TEST.measure(real_subject, [one, other])
    assert measured.chance == {"accuracy": pytest.approx(8 / 9)}
    # "paka" finds a translation wherever it looks, and so does "feline".
    assert min(measured.values["accuracy"]) >= 0.5
    assert measured.values["accuracy"][1] == 1.0
    [turned] = TEST.measure(real_subject, [other, one])
    assert turned.values == measured.values


def test_names_are_compared_by_one_source_where_both_languages_have_it(real_subject: Subject) -> None:
    # Only so is each its own name's translation.
    one = asked("en", ("a", "emoji", "red apple"), ("a", "stamps", "mbwa"), ("b", "emoji", "paka"))
    other = asked("sw", ("a", "stamps", "mbwa"), ("b", "stamps", "paka"))
    [measured] = TEST.measure(real_subject, [one, other])
    assert measured.about == {"identical": 1.0}
    assert measured.values == {"accuracy": [1.0, 1.0]}


def test_languages_without_two_common_concepts_are_not_asked(real_subject: Subject) -> None:
    one, other = asked("en", ("a", "s", "cat"), ("b", "s", "dog")), asked("sw", ("a", "s", "paka"), ("c", "s", "ndege"))
    assert TEST.measure(real_subject, [one, other]) == []


def test_captions_go_through_the_tower_once_for_all_tests(
    real_subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["mbwa", "paka mdogo", "bendera ya Kenya na Uganda"]
    own, projected = real_subject.language_vectors(names), real_subject.text(names)
    assert own.shape == (3, 384)
    for vectors in (own, projected):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(real_subject.language_vectors(names[::-1])[::-1], own, atol=1e-5)
    expected = encode_captions(real_subject._dual, names, torch.float32).numpy()
    np.testing.assert_allclose(projected, expected, atol=1e-6)
    monkeypatch.delattr(real_subject._dual.text, "tokenizer")
    assert np.array_equal(real_subject.language_vectors(tuple(names)), own)
    assert np.array_equal(real_subject.text(names), projected)
    with pytest.raises(AttributeError):
        real_subject.text(["mbwa"])
