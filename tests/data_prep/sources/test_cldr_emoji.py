from __future__ import annotations

import pytest

from data_prep.errors import UserError
from data_prep.records import DropLog, Example
from data_prep.sources.cldr_emoji import SOURCE


def read(miniature, locale: str = "sw") -> tuple[list[Example], list[tuple[str, str]]]:
    log = DropLog()
    return list(SOURCE.examples(locale, miniature.files, log)), [(d.item, d.reason) for d in log.drops]


def test_each_vendors_picture_is_captioned_with_the_locales_name_and_keywords(miniature):
    examples, drops = read(miniature)
    dog = examples[0]
    assert (dog.captions, dog.keywords, dog.captions_en) == (("uso wa mbwa",), ("mbwa",), ("dog face",))
    assert (dog.concept, dog.category, dog.variant) == ("dog-face", "Animals & Nature", "google")
    assert (dog.licence, dog.source) == ("Apache-2.0+Unicode-3.0", "cldr-emoji")
    assert dog.picture == miniature.files["emoji-google"] / "64" / "1f436.png"
    assert [(e.concept, e.variant) for e in examples] == [
        (concept, vendor) for concept in ("dog-face", "cat-face", "key") for vendor in ("google", "twitter")
    ]
    reason = "a country's flag: left to the source flags"
    assert drops == [("flag KE", reason), ("flag TZ", reason)]


def test_english_captions_are_their_own(miniature):
    assert [e.captions for e in read(miniature, "en")[0]] == [e.captions_en for e in read(miniature)[0]]


def test_derived_annotations_count_and_the_variation_selector_does_not(miniature):
    heart, runner = "❤\ufe0f", "🏃\u200d➡\ufe0f"
    miniature.emoji([miniature.row(heart, "heart", "Symbols"), miniature.row(runner, "runner", "People & Body")])
    for vendor in ("google", "twitter"):
        for characters in (heart, runner):
            miniature.emoji_picture(vendor, miniature.row(characters, "", "")["image"], b"")
    for locale, names in (("en", ("red heart", "person running")), ("sw", ("moyo", "mkimbiaji"))):
        miniature.annotations(locale, {"❤": [names[0]]})
        miniature.annotations(locale, {"🏃\u200d➡": [names[1]]}, derived=True)
    assert [e.captions for e in read(miniature)[0]] == [("moyo",)] * 2 + [("mkimbiaji",)] * 2


def test_a_picture_without_a_name_in_the_locale_is_yielded_without_caption(miniature):
    miniature.annotations("sw", {"🐶": ["uso wa mbwa"]})
    assert [(e.concept, e.captions) for e in read(miniature)[0]][2:4] == [("cat-face", ())] * 2


def test_what_cannot_be_used_is_named(miniature):
    miniature.annotations("en", {"🐶": ["dog face"], "🔑": ["key"]})
    (miniature.files["emoji-twitter"] / "64" / "1f511.png").unlink()
    examples, drops = read(miniature)
    assert [e.item for e in examples] == ["dog-face/google", "dog-face/twitter", "key/google"]
    assert ("'🐱'", "CLDR has no English name for it") in drops
    assert ("key/twitter", "the vendor has no picture of it") in drops


def test_a_cut_file_is_named_and_the_rest_goes_on(miniature):
    path = miniature.annotations("sw", {"🐶": ["uso wa mbwa"]})
    path.write_bytes(path.read_bytes()[:50])
    miniature.annotations("sw", {"🐱": ["uso wa paka"]}, derived=True)
    examples, drops = read(miniature)
    assert ("annotations/sw/annotations.json", "the file is damaged or cut short") in drops
    assert {e.concept: e.captions for e in examples} == {"dog-face": (), "cat-face": ("uso wa paka",), "key": ()}


@pytest.mark.parametrize("data", [b"", b"[{", b"{}", b"\xff"])
def test_a_damaged_list_of_emoji_is_named(miniature, data):
    (miniature.files["emoji-google"] / "emoji.json").write_bytes(data)
    examples, drops = read(miniature)
    assert examples == []
    assert len(drops) == 1
    assert drops[0][0].endswith("/emoji.json")


def test_a_locale_that_is_not_there_is_named(miniature):
    with pytest.raises(UserError, match="no annotations for the locale 'xx'"):
        read(miniature, "xx")
