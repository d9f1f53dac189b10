"""All languages in one go, on the miniature."""

from __future__ import annotations

import shutil

import pytest

from data_prep import everything, languages
from data_prep.pipeline import prepare, read_manifest
from mlilt import data


@pytest.fixture
def three(miniature, tmp_path, monkeypatch):
    """Language files of Swahili and English, which the miniature holds, and Yoruba, which it does not."""
    folder = tmp_path / "languages"
    folder.mkdir()
    for code in ("sw", "en", "yo"):
        shutil.copy(languages._SHIPPED / f"{code}.toml", folder)
    monkeypatch.setattr(languages, "_SHIPPED", folder)
    miniature.stamp("b/lost", b"Lost.\nsw.utf8=Lost.", None)
    return ["cldr-emoji", "tuxpaint"]


def test_every_language_is_prepared_with_pictures_between_them_and_one_that_fails_stops_none(three, tmp_path):
    out = tmp_path / "data"
    found = everything.prepare_all(three, out, offline=True, processes=1, progress=False)
    assert [(o.language, o.prepared is not None) for o in found] == [("en", True), ("sw", True), ("yo", False)]
    assert "no annotations for the locale 'yo'" in found[2].error
    for code in ("en", "sw"):
        alone = prepare(code, three, out=tmp_path / f"{code}-alone", offline=True, progress=False)
        assert read_manifest(out / code)["images"] == "../images"
        for split in data.SPLITS:
            assert list(data.read_pictures(out / code, split)) == list(data.read_pictures(alone.folder, split))
    again = everything.prepare_all(three, out, offline=True, processes=1, progress=False)
    assert [o.prepared.reused for o in again if o.prepared] == [True, True]


def test_the_table_counts_what_was_made_and_names_what_was_not(three, tmp_path):
    found = everything.prepare_all(three, tmp_path / "data", offline=True, processes=1, progress=False)
    page = everything.table(found)
    made = {o.language: o.prepared for o in found if o.prepared}
    lines = {
        line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")
        for line in page.split("## Not")[0].splitlines()
        if "|" in line
    }
    heading = lines["code"]
    for code, prepared in made.items():
        row = dict(zip(heading, lines[code], strict=True))
        assert row["cldr-emoji concepts"] == str(prepared.concepts["cldr-emoji"])
        assert [int(row[s]) for s in data.SPLITS] == [prepared.pictures[s] for s in data.SPLITS]
        assert int(row["pictures"]) == sum(prepared.pictures.values())
        assert int(row["not translated"]) + int(row["other drops"]) == sum(prepared.dropped.values())
    assert f"2 languages, {sum(sum(p.pictures.values()) for p in made.values())} captioned pictures" in page
    assert "no annotations for the locale 'yo'" in page.split("## Not prepared")[1]
