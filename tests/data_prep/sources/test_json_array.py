from __future__ import annotations

import json

import pytest

from data_prep.records import DropLog
from data_prep.sources import _json_array
from data_prep.sources._json_array import array

ITEMS = [{"n": n, "text": 'a ] "items": [ { \\ é犬' * (n % 7), "inner": [{"deep": [n]}]} for n in range(200)]


def read(path, key="items"):
    log = DropLog()
    return list(array(path, key, "source", log)), [(d.item, d.reason) for d in log.drops]


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("layout", [{"indent": 1}, {"ensure_ascii": False}, {"separators": (",", ":")}])
def test_the_objects_are_those_of_the_whole_file_wherever_it_is_cut_for_reading(tmp_path, monkeypatch, chunk, layout):
    monkeypatch.setattr(_json_array, "_CHUNK", chunk)
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"info": {"a": [1]}, "items": ITEMS[:60], "rest": [1]}, **layout), "utf-8")
    assert read(path) == (ITEMS[:60], [])


def test_an_empty_array_has_no_objects(tmp_path):
    (tmp_path / "a.json").write_text('{"items": [ ] }')
    assert read(tmp_path / "a.json") == ([], [])


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (json.dumps({"items": ITEMS})[:2000], 3),
        ('{"items": [{"n": 1}, 5, {"n": 2}]}', 1),
        ('{"items": [{"n": 1}', 1),
        ('{"others": []}', 0),
        ("", 0),
    ],
)
def test_a_file_that_is_cut_or_another_is_named_after_what_can_be_read(tmp_path, text, whole):
    (tmp_path / "a.json").write_text(text)
    items, drops = read(tmp_path / "a.json")
    assert len(items) >= whole
    assert all(isinstance(item["n"], int) for item in items)
    assert drops == [("a.json", "the file is damaged or cut short")]
