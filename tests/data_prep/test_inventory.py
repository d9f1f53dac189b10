"""What there is, on miniatures of the sources."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from data_prep import inventory, prepare, registry, sources
from data_prep.errors import UnknownNameError
from data_prep.languages import load_language, load_languages
from data_prep.pipeline import load_source, split_files
from data_prep.steps.split import SPLITS


@pytest.fixture
def small(miniature, tmp_path):
    """The folder below which the miniature is prepared in Swahili."""
    prepare("sw", ["cldr-emoji", "tuxpaint"], out=tmp_path / "data" / "sw", progress=False, workers=1)
    return tmp_path / "data"


def states(code, data):
    return {h.source: (h.locale, h.state, h.pairs) for h in inventory.held(load_language(code), data)}


def test_pairs_are_counted_in_the_sources_files_where_they_are_at_hand(miniature, tmp_path):
    found = states("sw", tmp_path)
    # Dog, cat and key by two vendors; one stamp; two flags by two vendors.
    assert found["cldr-emoji"] == ("sw", "cached", 6)
    assert found["tuxpaint"] == ("sw", "cached", 1)
    assert found["flags"] == ("sw", "cached", 4)
    assert found["xtd200"] == ("swh_Latn", "pointed to", None)
    assert list(found) == list(load_language("sw").sources)
    assert inventory.captions(load_language("sw"), tmp_path) == sorted(
        ["uso wa mbwa", "uso wa paka", "ufunguo", "Mbwa.", "Kenya", "Tanzania"]
    )


def test_nothing_is_counted_and_nothing_fetched_where_the_cache_is_empty(empty_cache, tmp_path):
    found = states("sw", tmp_path)
    assert {found[name][1:] for name in ("cldr-emoji", "tuxpaint", "flags")} == {("not fetched", None)}
    assert inventory.captions(load_language("sw"), tmp_path) == []
    assert not empty_cache.exists()


def test_what_is_prepared_goes_before_what_the_sources_hold(small):
    rows = [
        row for split in SPLITS for path in split_files(small / "sw", split) for row in pq.read_table(path).to_pylist()
    ]
    by_source = {name: sum(row["source"] == name for row in rows) for name in {row["source"] for row in rows}}
    assert sum(by_source.values()) > 3
    assert inventory.prepared_pictures(small / "sw") == by_source
    found = states("sw", small)
    assert {name: pairs for name, (_, state, pairs) in found.items() if state == "prepared"} == by_source
    # It was left out of the data set, so the source's files are looked at.
    assert found["flags"][1:] == ("cached", 4)
    assert inventory.captions(load_language("sw"), small) == sorted({c for row in rows for c in row["captions"]})


def test_a_data_set_that_lacks_a_file_or_its_manifest_counts_as_none(small):
    gone = next(path for split in SPLITS for path in split_files(small / "sw", split) if pq.read_table(path).num_rows)
    gone.rename(small / "aside.parquet")
    assert inventory.prepared_pictures(small / "sw") is None
    assert states("sw", small)["tuxpaint"] == ("sw", "cached", 1)
    (small / "aside.parquet").rename(gone)
    gone.write_bytes(gone.read_bytes()[:100])
    assert inventory.prepared_pictures(small / "sw") is None
    assert inventory.prepared_pictures(small / "yo") is None


def test_all_languages_are_listed_with_what_is_prepared(small):
    listed = inventory.languages(small)
    assert [entry["code"] for entry in listed] == [language.code for language in load_languages()]
    by_code = {entry["code"]: entry for entry in listed}
    assert by_code["sw"]["pictures"] == inventory.prepared_pictures(small / "sw")
    assert by_code["yo"]["pictures"] is None
    assert by_code["ar"]["steps"]["normalize"]["tatweel"] == "drop"
    assert json.loads(json.dumps(listed)) == listed


def test_sources_that_carriers_bring_are_those_with_resources():
    assert {"cldr-emoji", "tuxpaint", "flags"} <= set(inventory.fetched())
    assert set(inventory.resources()) == {*inventory.fetched(), "contact sheet", "category names"}
    for name in registry.names(sources):
        assert (name in inventory.fetched()) == bool(load_source(name).about.resources)
        assert inventory.resources().get(name, []) == list(load_source(name).about.resources)


def test_concepts_tell_whether_their_caption_is_english(miniature):
    miniature.annotations("sw", {"🐶": ["Dog Face"], "🐱": ["uso wa paka"]})
    concepts = dict(inventory.cached_concepts(load_source("cldr-emoji"), "sw"))
    assert sorted(concepts.values()) == [False, True]


def test_a_file_that_names_a_source_that_is_none_says_so(miniature, tmp_path, monkeypatch):
    text = 'code = "xx"\niso639_3 = "xxx"\nname = "X"\nautonym = "X"\nscript = "Latn"\n[sources]\nflag = "sw"\n'
    (tmp_path / "xx.toml").write_text(text)
    monkeypatch.setenv("MLILT_LANGUAGES", str(tmp_path))
    with pytest.raises(UnknownNameError, match="Did you mean flags"):
        inventory.held(load_language("xx"), tmp_path)
