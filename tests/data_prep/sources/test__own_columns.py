from __future__ import annotations

import pytest

from data_prep.sources._own_columns import ROLES, find_columns, licence_id, plain, roles, text, texts
from data_prep.sources._own_language import Tongue


def find(names: str, locale: str = "sw", **given: str) -> dict[str, object]:
    """What each role found; roles without a column are left out."""
    columns = find_columns(names.split(), given, Tongue(locale), "table", needs=())
    found = {role: getattr(columns, role) for role in ROLES}
    return {role: value for role, value in found.items() if value}


@pytest.mark.parametrize(
    ("names", "locale", "expected"),
    [
        ("image caption", "sw", {"picture": "image", "caption": ("caption",)}),
        ("caption file image", "sw", {"picture": "image", "caption": ("caption",)}),
        ("scan_file_name text", "sw", {"picture": "scan_file_name", "caption": ("text",)}),
        ("FileName Sentence", "sw", {"picture": "FileName", "caption": ("Sentence",)}),
        ("img caption_en caption_sw caption", "sw", {"caption": ("caption_sw",), "english": ("caption_en",)}),
        ("img caption_en caption_sw", "en", {"caption": ("caption_en",)}),
        ("img english swahili", "sw", {"caption": ("swahili",), "english": ("english",)}),
        ("img en yo", "yo", {"caption": ("yo",), "english": ("en",)}),
        ("img id text", "id", {"caption": ("text",), "id": "id"}),
        ("img caption10 caption_2 caption_1 caption_en", "sw", {"caption": ("caption_1", "caption_2", "caption10")}),
        ("img yoruba_caption swh_text", "sw", {"caption": ("swh_text",)}),
        ("img title description", "sw", {"caption": ("title",)}),
        ("img subset license credit lang", "sw", {"split": "subset", "licence": "license", "attribution": "credit"}),
    ],
)
def test_columns_are_told_by_their_names(names, locale, expected):
    found = find(names, locale)
    assert {role: found.get(role) for role in expected} == expected
    if locale == "en":
        assert "english" not in found


def test_the_users_word_goes_before_all_and_an_empty_one_turns_a_role_off():
    found = find("image caption akole lang", image="image", caption="akole", language="")
    assert found == {"picture": "image", "caption": ("akole",)}


def test_columns_that_hold_pictures_go_before_paths():
    columns = find_columns(("file_name", "scan", "text"), {}, Tongue("sw"), "table", pictures=("scan",))
    assert columns.picture == "scan"


def test_a_role_may_be_called_by_any_of_its_names():
    assert roles({"Image": "a", "caption-en": "b", "lang": "c", "author": "d", "config": "e"}) == {
        "picture": "a",
        "english": "b",
        "language": "c",
        "attribution": "d",
        "config": "e",
    }
    # No name stands for two roles, and all are in the plain form that names are compared in.
    names = [name for role in ROLES.values() for name in role]
    assert len(set(names)) == len(names)
    assert [plain(name) for name in names] == names


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, ()),
        ("", ()),
        (float("nan"), ()),
        (" mbwa ", ("mbwa",)),
        (["mbwa", " ", "paka "], ("mbwa", "paka")),
        ('["mbwa", "paka"]', ("mbwa", "paka")),
        ("['mbwa', \"paka's\"]", ("mbwa", "paka's")),
        ("[mbwa] na [paka]", ("[mbwa] na [paka]",)),
        ("[1, 2]", ("[1, 2]",)),
        ("[" * 5000 + "]" * 5000, ("[" * 5000 + "]" * 5000,)),
    ],
)
def test_captions_are_a_text_or_a_list_in_any_spelling(cell, expected):
    assert texts(cell) == expected


@pytest.mark.parametrize("cell", [17, ["mbwa", 3], {"sw": "mbwa"}, True])
def test_what_is_no_text_is_no_caption(cell):
    with pytest.raises(ValueError):
        texts(cell)


@pytest.mark.parametrize(
    ("cell", "expected"), [(None, ""), (float("nan"), ""), (17, "17"), (17.0, "17"), (["a", "b"], "a, b"), (" x ", "x")]
)
def test_other_cells_are_read_as_short_texts(cell, expected):
    assert text(cell) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", "LicenseRef-own"),
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("cc by 4.0", "CC-BY-4.0"),
        ("CC BY-NC-SA 2.0", "CC-BY-NC-SA-2.0"),
        ("cc_by_nd_3.0", "CC-BY-ND-3.0"),
        ("Creative Commons Attribution-ShareAlike 4.0", "LicenseRef-Creative-Commons-Attribution-ShareAlike-4.0"),
        ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
        ("http://creativecommons.org/licenses/by-nc/2.0/deed.sw", "CC-BY-NC-2.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("CC0", "CC0-1.0"),
        ("MIT", "MIT"),
        ("CC BY", "LicenseRef-CC-BY"),
        ("all rights reserved +", "LicenseRef-all-rights-reserved"),
        ("©", "LicenseRef-own"),
    ],
)
def test_licences_become_spdx_identifiers(written, expected):
    assert licence_id(written) == expected
