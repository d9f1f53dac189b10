from __future__ import annotations

import pytest

from data_prep.errors import UserError
from data_prep.records import DropLog, Example
from data_prep.sources.flags import SOURCE


def read(miniature, locale: str = "sw") -> tuple[list[Example], list[tuple[str, str]]]:
    log = DropLog()
    return list(SOURCE.examples(locale, miniature.files, log)), [(d.item, d.reason) for d in log.drops]


def test_flags_and_only_they_are_captioned_with_their_territorys_name(miniature):
    miniature.territories("sw", {"KE": "Kenia", "TZ": "Tanzania"})
    examples, drops = read(miniature)
    assert [(e.concept, e.captions, e.captions_en, e.variant) for e in examples] == [
        ("flag-kenya", ("Kenia",), ("Kenya",), "google"),
        ("flag-kenya", ("Kenia",), ("Kenya",), "twitter"),
        ("flag-tanzania", ("Tanzania",), ("Tanzania",), "google"),
        ("flag-tanzania", ("Tanzania",), ("Tanzania",), "twitter"),
    ]
    assert examples[1].licence == "CC-BY-4.0+Unicode-3.0"
    assert drops == []


def test_a_name_that_is_only_the_code_is_no_caption(miniature):
    miniature.territories("sw", {"KE": "KE"})
    assert [e.captions for e in read(miniature)[0]] == [()] * 4


def test_a_flag_that_the_vendor_drew_wrongly_is_left_out_by_name(miniature):
    rows = [miniature.row("🇨🇶", "flag-cq", "Flags")]
    for vendor in ("google", "twitter"):
        miniature.emoji(rows, vendor)
        miniature.emoji_picture(vendor, rows[0]["image"], b"")
    for locale in ("en", "sw"):
        miniature.territories(locale, {"CQ": "Sark"})
    examples, drops = read(miniature)
    assert [e.variant for e in examples] == ["twitter"]
    assert drops == [("CQ/google", "the vendor's file shows another territory's flag")]


def test_what_cannot_be_used_is_named(miniature):
    miniature.territories("en", {"KE": "Kenya"})
    (miniature.files["emoji-twitter"] / "64" / "1f1f0-1f1ea.png").unlink()
    examples, drops = read(miniature)
    assert [e.item for e in examples] == ["flag-kenya/google"]
    assert drops == [
        ("flag-ke/twitter", "the vendor has no picture of it"),
        ("TZ", "CLDR has no English name for the territory"),
    ]


def test_a_cut_file_of_names_is_named(miniature):
    path = miniature.territories("sw", {"KE": "Kenia"})
    path.write_bytes(path.read_bytes()[:-3])
    examples, drops = read(miniature)
    assert [e.captions for e in examples] == [()] * 4
    assert drops == [("main/sw/territories.json", "the file is damaged or cut short")]


def test_a_locale_that_is_not_there_is_named(miniature):
    with pytest.raises(UserError, match="no territory names for the locale 'xx'"):
        read(miniature, "xx")
