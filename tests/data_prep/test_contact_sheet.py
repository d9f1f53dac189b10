from __future__ import annotations

import io
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data_prep import contact_sheet
from data_prep.contact_sheet import choose, draw
from data_prep.records import Example


@pytest.fixture
def example(make_picture):
    def build(caption: str = "mbwa", source: str = "s", concept: str = "dog", colour: str = "red") -> Example:
        return Example(make_picture(colour), (caption,), concept, source, "", "")

    return build


def ink(data: bytes) -> np.ndarray:
    """Where the strip below the first picture is dark: its letters."""
    sheet = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    return sheet[2 * 166 : 2 * 210, : 2 * 171] < 128


def test_every_source_has_its_part_and_each_concept_one_picture(example):
    many = [example(source="a", concept=f"a{i}") for i in range(100)]
    few = [example(source="b", concept="b1"), example(source="b", concept="b1"), example(source="b", concept="b2")]
    chosen = choose([*many, *few])
    assert len(chosen) == 24
    assert len({e.concept for e in chosen}) == 24
    assert sorted(e.concept for e in chosen if e.source == "b") == ["b1", "b2"]
    assert choose([*many, *few]) == chosen


def test_pictures_stand_in_rows_with_letters_below(example, make_picture):
    sheet = Image.open(io.BytesIO(draw([example(colour=c) for c in ("red", "#00f")] * 4, progress=False)))
    assert sheet.size == (2 * (6 * 164 + 14), 2 * (2 * 210 + 14))
    assert [sheet.getpixel((2 * x, 2 * 50))[:3] for x in (80, 244)] == [(255, 0, 0), (0, 0, 255)]
    photograph = Example(make_picture("#00f", kind="JPEG"), ("mbwa",), "dog", "s", "", "")
    blue = Image.open(io.BytesIO(draw([photograph], progress=False))).getpixel((2 * 80, 2 * 50))[:3]
    assert blue == pytest.approx((0, 0, 255), abs=3)
    assert ink(draw([example()], progress=False)).sum() > 100
    assert ink(draw([example("&<>")], progress=False)).any()


@pytest.mark.parametrize("caption", ["ውሻ", "ខ្មែរ", "ລາວ", "မြန်မာ", "বাংলা", "தமிழ்", "नेपाली", "తెలుగు", "Èdè Yorùbá"])
def test_every_script_has_letters_of_its_own(example, caption):
    # A font without the letter draws the same empty box for whatever it lacks.
    missing = ink(draw([example("\U0010fffd" * len(caption))], progress=False))
    found = ink(draw([example(caption)], progress=False))
    assert found.any()
    assert not np.array_equal(found, missing)


def test_without_the_fonts_the_machines_own_are_used(example, empty_cache):
    assert Image.open(io.BytesIO(draw([example()], offline=True, progress=False))).size[0] > 0


@pytest.mark.parametrize(
    ("caption", "lines"),
    [
        ("mbwa", ["mbwa"]),
        ("one two three four five six seven", ["one two three four", "five six seven"]),
        ("word " * 20, ["word word word word", "word word word word…"]),
        ("x" * 30, ["x" * 23 + "…"]),
    ],
)
def test_captions_are_wrapped_into_two_lines_and_what_is_too_much_is_marked(caption, lines):
    assert contact_sheet._wrap(caption) == lines


VIRAMAS = "\u1039\u094d"


def test_what_xml_has_no_place_for_is_drawn_as_lost_characters(example):
    given, lost = (
        draw([example(text)], offline=True, progress=False) for text in ("a\x00\ufffe\ud800b", "a\ufffd\ufffd\ufffdb")
    )
    assert given == lost


@given(st.text(st.sampled_from("aကम\u102f\u0301" + VIRAMAS), min_size=2, max_size=12), st.data())
def test_a_cut_takes_no_letter_its_marks_and_no_conjunct_its_second_letter(text, data):
    length = data.draw(st.integers(1, len(text) - 1))
    kept = contact_sheet._cut(text, length)
    assert text.startswith(kept)
    assert len(kept) <= length
    if kept:
        assert not unicodedata.category(text[len(kept)]).startswith("M")
        assert kept[-1] not in VIRAMAS
