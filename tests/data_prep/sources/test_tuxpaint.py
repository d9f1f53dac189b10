from __future__ import annotations

import pytest

from data_prep.records import DropLog, Example
from data_prep.sources.tuxpaint import SOURCE


def read(miniature, locale: str = "sw") -> tuple[list[Example], list[tuple[str, str]]]:
    log = DropLog()
    return list(SOURCE.examples(locale, miniature.files, log)), [(d.item, d.reason) for d in log.drops]


def test_a_stamp_has_the_captions_of_the_text_beside_it(miniature):
    examples, drops = read(miniature)
    assert drops == []
    (dog,) = examples
    assert (dog.captions, dog.captions_en, dog.concept) == (("Mbwa.",), ("A dog.",), "dog")
    assert (dog.category, dog.variant, dog.licence) == ("animals", "dog", "GPL-2.0-only")
    assert dog.picture == miniature.files["tuxpaint-stamps"] / "animals" / "dog.png"


@pytest.mark.parametrize(
    ("locale", "captions"),
    [
        ("en", ("A dog.",)),
        ("sr@latin", ("Pas.",)),
        ("sr", ("Пас.",)),
        ("pt_BR", ("Cachorro.",)),
        ("pt", ()),
        ("sw", ("\ufffdmbwa",)),
        ("de", ("",)[:0]),
    ],
)
def test_a_caption_is_found_by_its_exact_locale(miniature, locale, captions):
    lines = ["A dog.", "sr@latin.utf8=Pas.", "sr.utf8=Пас.", "pt_BR.utf8 = Cachorro.", "de.utf8=", "rubbish"]
    text = "\r\n".join(lines).encode() + b"\r\nsw.utf8=\xffmbwa"
    miniature.stamp("animals/dog", text, b"")
    assert [e.captions for e in read(miniature, locale)[0]] == [captions]


def test_png_goes_before_svg_and_what_has_no_picture_or_no_english_is_named(miniature):
    miniature.stamp("animals/dog", b"A dog.", b"", ".svg")
    miniature.stamp("a/b/cat", b"A cat.\nsw.utf8=Paka.", b"", ".svg")
    miniature.stamp("a/lost", b"Lost.\nsw.utf8=Kupotea.", None)
    miniature.stamp("a/nameless", b"\nsw.utf8=Bila jina.", b"")
    miniature.stamp("a/nothing", b"", b"")
    miniature.stamp("a/latin", b"Caf\xe9.\nsw.utf8=Mkahawa.", b"")
    for locale in ("sw", "en"):
        examples, drops = read(miniature, locale)
        pictures = [p.relative_to(miniature.files["tuxpaint-stamps"]).as_posix() for p in (e.picture for e in examples)]
        assert pictures == ["a/b/cat.svg", "animals/dog.png"]
        assert drops == [
            ("a/latin", "the English caption is not UTF-8"),
            ("a/lost", "there is no picture beside the caption"),
            ("a/nameless", "the English caption is missing"),
            ("a/nothing", "the English caption is missing"),
        ]
