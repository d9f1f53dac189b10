from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.errors import UserError
from data_prep.records import Example
from data_prep.sources.flickr30k_200 import SOURCE
from tests.data_prep.sources.walking import walk


def read(root: Path, locale: str = "hau_Latn") -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, root)


@pytest.fixture
def folder(tmp_path, make_picture):
    """data/flickr30k-200 of the repository nllb-clip, the pictures unpacked into images/ beside the texts."""
    folder = tmp_path / "data" / "flickr30k-200"
    (folder / "images").mkdir(parents=True)
    (folder / "filenames.txt").write_text("11.jpg\n22.jpg\n33.jpg\n")
    (folder / "eng_captions.txt").write_text("A hat.\nA dog.\nA cup.\n")
    (folder / "hau_Latn.txt").write_text("Hula.\n\nKofi\u2028daya.\n", "utf-8")
    for name in ("11", "22", "33"):
        (folder / "images" / f"{name}.jpg").write_bytes(make_picture(kind="JPEG"))
    return folder


def test_translated_captions_go_to_the_picture_of_their_line_and_say_what_made_them(folder):
    examples, drops = read(folder)
    assert drops == []
    assert [(e.picture.name, e.concept, e.captions, e.captions_en) for e in examples] == [
        ("11.jpg", "flickr30k-200-11", ("Hula.",), ("A hat.",)),
        ("22.jpg", "flickr30k-200-22", (), ("A dog.",)),
        ("33.jpg", "flickr30k-200-33", ("Kofi\u2028daya.",), ("A cup.",)),
    ]
    assert {(e.split, e.origin) for e in examples} == {("test", "facebook/nllb-200-3.3B")}
    assert {e.licence for e in examples} == {"LicenseRef-Flickr30k-images+LicenseRef-unstated"}


def test_english_is_by_people(folder):
    examples, _ = read(folder, "eng_Latn")
    assert [e.captions for e in examples] == [("A hat.",), ("A dog.",), ("A cup.",)]
    assert {(e.origin, e.licence) for e in examples} == {("", "LicenseRef-Flickr30k-images")}


def test_a_clone_of_the_repository_with_flickr30ks_own_folder_is_read_too(folder, tmp_path):
    (folder / "images").rename(tmp_path / "flickr30k-images")
    examples, _ = read(tmp_path)
    assert next(e.picture.relative_to(tmp_path).as_posix() for e in examples) == "flickr30k-images/11.jpg"
    assert len(examples) == 3


def test_a_picture_that_is_missing_is_named(folder):
    (folder / "images" / "22.jpg").unlink()
    examples, drops = read(folder)
    assert [e.concept for e in examples] == ["flickr30k-200-11", "flickr30k-200-33"]
    assert drops == [("22.jpg", "the picture is not in the folder")]


def test_captions_that_are_not_aligned_are_refused(folder):
    (folder / "hau_Latn.txt").write_text("Hula.\nKare.\n")
    with pytest.raises(UserError, match=r"hau_Latn\.txt has 2 lines, filenames\.txt beside it 3.*Fetch both anew"):
        read(folder)


def test_a_wrong_folder_or_language_is_answered_with_the_layout(folder, tmp_path):
    with pytest.raises(UserError, match=r"there is no swh_Latn\.txt .*filenames\.txt, LANGUAGE\.txt"):
        read(folder, "swh_Latn")
    with pytest.raises(UserError, match="has no language 'sw'"):
        read(folder, "sw")
    (folder / "filenames.txt").unlink()
    with pytest.raises(UserError, match=r"there is no filenames\.txt"):
        read(tmp_path)


def test_its_languages_are_those_of_flores_200_but_for_santali():
    assert len(set(SOURCE.about.locales)) == len(SOURCE.about.locales) == 201
    assert {"swh_Latn", "hau_Latn", "eng_Latn"} <= set(SOURCE.about.locales)
    assert "sat_Olck" not in SOURCE.about.locales
