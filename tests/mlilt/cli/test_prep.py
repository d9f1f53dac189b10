"""`mlilt prep` beyond the plain case, `mlilt sources` and `mlilt steps`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from data_prep import languages, registry, sources
from data_prep.errors import UserError
from data_prep.pipeline import load_source
from data_prep.steps import _spec
from mlilt import data
from mlilt.cli.main import build


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(build(), [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say either --lang CODE or --all"),
        (("--lang", "sw", "--all"), "Say either --lang CODE or --all"),
        (("--lang", "sw", "--table", "t.md"), "--table writes the counts of all languages: it goes with --all"),
        (("--all", "--images", "i"), "--images goes with --lang, not with --all"),
        (
            ("--all", "--source", "folder:x"),
            "folder holds your own pictures, in one language: prepare them with --lang",
        ),
        (("--all", "--source", "tuxpant"), "Did you mean tuxpaint"),
        (("--lang", "sw", "--machine", "3/2"), "--machine 3/2: expected I/N with I from 1 to N, such as 2/8"),
        (("--lang", "sw", "--machine", "two"), "--machine two: expected I/N"),
        (("--lang", "sw", "--column", "caption"), "--column caption: expected ROLE=NAME, such as caption=titre"),
        (("--lang", "sw", "--column", "caption=x"), "has no columns to name; leave out --column"),
        (("--lang", "sw", "--workers", "0"), "--workers must be 1 or more, not 0"),
        (("--lang", "sw", "--root", "x"), "--root is the place of one source's files, but none of the sources needs"),
        (("--lang", "sw", "--source", "folder"), "Say where folder is: --source folder:FOLDER"),
        (("--lang", "sw", "--source", "folder:none"), "none is not there. The source folder expects a folder"),
        (("--lang", "sw", "-s", "xm3600", "-s", "folder", "--root", "x"), "xm3600 and folder need one each"),
        (("--lang", "sw", "--step", "scirpt"), "Did you mean script"),
        (("--lang", "sw", "--without", "split"), "The step split cannot be left out"),
        (("--lang", "yo", "--source", "multi30k", "--root", "x"), "has no captions in the source multi30k"),
    ],
)
def test_what_cannot_be_is_answered_with_the_fix(workplace, arguments, said):
    with pytest.raises(UserError) as caught:
        run("prep", "--offline", "--text", "none", *arguments)
    assert said in str(caught.value)


@pytest.fixture
def own(workplace):
    """A small table of the user's own, with columns of its own."""
    lines = ["bild;titre"]
    for n in range(20):
        Image.new("RGB", (64 + n, 64), (11 * n, 255 - 9 * n, (77 * n) % 256)).save(f"{n}.png")
        lines.append(f"{n}.png;picha namba {n}")
    Path("list.csv").write_text("\n".join(lines), encoding="utf-8")
    return "csv:list.csv"


def test_own_pictures_with_columns_and_steps_of_ones_own(own, workplace):
    arguments = ("prep", "--lang", "sw", "-s", own, "--column", "image=bild", "--column", "caption=titre", "--offline")
    more = ("--text", "none", "--without", "near-duplicates", "--step", "captions:min_characters=14")
    prepared = json.loads(run(*arguments, *more, "--json").stdout)
    assert prepared["dropped"] == {"csv: the caption has fewer than 14 characters": 10}
    assert sum(prepared["pictures"].values()) == 10
    assert "near-duplicates" not in json.loads((workplace / "data/sw/mlilt.json").read_text())["steps"]
    by_split = {split: data.read_rows(workplace / "data" / "sw", split) for split in data.SPLITS}
    rows = [row for found in by_split.values() for row in found]
    assert sorted(row.captions[0] for row in rows) == [f"picha namba {n}" for n in range(10, 20)]
    said = run(*arguments, *more).stdout
    assert "was there already" in said
    assert "browse.html" in said
    assert "Few concepts in validation and test (" in said
    concepts = {split: len({row.concept for row in found}) for split, found in by_split.items()}
    assert prepared["split_concepts"] == concepts


def test_two_machines_and_a_last_call_prepare_one_data_set(own, workplace):
    pytest.importorskip("datatrove", reason="datatrove is not installed")
    arguments = ("prep", "--lang", "sw", "-s", own, "--column", "image=bild", "--column", "caption=titre", "--offline")
    for number in (1, 2):
        said = run(*arguments, "--text", "none", "--workers", "1", "--machine", f"{number}/2").stdout
        assert f"Machine {number}/2 has done its share. When all have, run the same command without --machine" in said
        assert not (workplace / "data" / "sw").exists()
    prepared = json.loads(run(*arguments, "--text", "none", "--json").stdout)
    assert sum(prepared["pictures"].values()) == 20


def test_all_languages_end_with_a_table_and_name_those_that_failed(workplace, monkeypatch):
    folder = workplace / "languages"
    folder.mkdir()
    for code in ("sw", "yo"):
        text = (languages._SHIPPED / f"{code}.toml").read_text(encoding="utf-8")
        # Tux Paint has no Yoruba.
        (folder / f"{code}.toml").write_text(f'{text.split("[sources]")[0]}[sources]\ntuxpaint = "{code}"\n', "utf-8")
    monkeypatch.setattr(languages, "_SHIPPED", folder)
    arguments = ("--all", "-s", "tuxpaint", "--limit", "5", "--text", "none", "--workers", "1")
    with pytest.raises(UserError, match=r"1 of 2 languages could not be prepared:\n  yo: Nothing is left for Yoruba"):
        run("prep", *arguments, "--table", "docs/t.md")
    page = (workplace / "docs" / "t.md").read_text(encoding="utf-8")
    assert page.startswith("# Languages\n\n1 languages, ")
    assert "| sw | Swahili (Kiswahili) | Latn |" in page
    assert (workplace / "data" / "images").is_dir()


def test_sources_are_listed_by_kind_and_each_shows_what_it_says_of_itself():
    listed = {entry["name"]: entry for entry in json.loads(run("sources", "--json").stdout)}
    assert sorted(listed) == registry.names(sources)
    assert {e["kind"] for e in listed.values()} == {"fetched", "published", "own"}
    assert "sw" in listed["xm3600"]["languages"]
    table = run("sources").stdout
    assert all(name in table for name in listed)
    page = " ".join(run("sources", "xm3600").stdout.split())
    about = load_source("xm3600").about
    for text in (about.citation, about.pictures, about.pointed.layout, *about.licences):
        assert " ".join(text.split()) in page
    with pytest.raises(UserError, match=r"There is no source named 'xm360'\. Did you mean xm3600"):
        run("sources", "xm360")


def test_steps_are_listed_in_their_order_with_their_options():
    listed = json.loads(run("steps", "--json").stdout)
    assert [entry["name"] for entry in listed if entry["name"] in _spec.names()] == [e["name"] for e in listed]
    assert len(listed) == len(_spec.names())
    table = run("steps", "--lang", "ar").stdout
    assert all(entry["name"] in table for entry in listed)
    assert "[steps.NAME]" in table
