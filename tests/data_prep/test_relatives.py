from __future__ import annotations

from itertools import pairwise

import langcodes
import pytest

from data_prep.languages import load_language, load_languages
from data_prep.relatives import nearest


def codes(code, count=5):
    return [relative.code for relative in nearest(load_language(code), load_languages(), count)]


@pytest.mark.parametrize(
    ("code", "first"),
    [
        ("nn", ["nb"]),
        ("sr-Latn", ["sr"]),
        ("pa-Arab", ["pa"]),
        # Its branch goes before its family, and that before a language that many of its speakers read (English).
        ("zu", ["nso", "rw", "sw", "tn", "xh"]),
        ("iu", ["kl"]),
        ("om", ["so"]),
        ("th", ["lo"]),
    ],
)
def test_the_nearest_is_the_one_that_linguists_name(code, first):
    assert sorted(codes(code)[: len(first)]) == first


def test_a_language_without_kin_has_those_that_its_speakers_read_or_its_neighbours_in_script_and_place():
    basque = nearest(load_language("eu"), load_languages())
    assert [(r.code, r.distance) for r in basque] == [("es", None)]
    songhay = nearest(load_language("ses"), load_languages(), count=3)
    assert {r.shared for r in songhay} == {("Latn", "Africa")}
    assert codes("ja") == []


def test_what_is_shared_is_told_and_the_order_follows_it():
    found = nearest(load_language("sw"), load_languages(), count=40)
    assert found[0].shared == ("Bantu", "Atlantic-Congo", "Latn", "Africa")
    kin = ["Bantu" in r.shared for r in found]
    assert all(earlier >= later for earlier, later in pairwise(kin))
    assert "sw" not in {r.code for r in found}
    for relative in found:
        other = load_language(relative.code)
        assert relative.name == other.name
        assert ("Atlantic-Congo" in relative.shared) == (other.family == "Atlantic-Congo")


def test_the_distance_is_cldrs_whichever_way_is_farther():
    (norwegian, *_) = nearest(load_language("nn"), load_languages())
    assert norwegian.distance == max(langcodes.tag_distance("nn", "nb"), langcodes.tag_distance("nb", "nn"))
    # Breton's readers read French, but not the other way round.
    assert langcodes.tag_distance("br", "fr") < 30
    assert {r.code: r.distance for r in nearest(load_language("br"), load_languages(), 99)}["fr"] is None


def test_facts_that_are_not_stated_are_not_shared():
    plain = load_language("sw").model_copy(update={"family": None, "branch": None, "macroarea": None})
    assert nearest(plain, [plain.model_copy(update={"code": "qqq"}), load_language("zu")]) == []
