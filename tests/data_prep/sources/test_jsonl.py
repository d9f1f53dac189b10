from __future__ import annotations

import json

import pytest

from data_prep.errors import UserError
from data_prep.records import DropLog
from data_prep.sources.jsonl import SOURCE
from tests.data_prep.sources.walking import walk


def test_lines_need_not_all_have_all_keys_and_damaged_ones_are_dropped(tmp_path, make_picture):
    for name in "abcd":
        (tmp_path / f"{name}.png").write_bytes(make_picture())
    lines = [
        json.dumps({"path": "a.png"}).encode(),
        b"",
        json.dumps({"path": "b.png", "captions": ["Mbwa", "Mbwa mkubwa"], "id": 7}).encode(),
        b'{"path": "c.png", "captions": "Pak',
        b"[1]",
        b'{"path": "c.png", "captions": "Caf\xe9"}',
        json.dumps({"path": "c.png", "captions": {"sw": "Paka"}}).encode(),
        json.dumps({"path": "d.png", "captions": "Ndege\u2028mdogo"}, ensure_ascii=False).encode(),
    ]
    (tmp_path / "captions.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    examples, drops = walk(SOURCE, "sw", tmp_path / "captions.jsonl")
    assert [(e.concept, e.captions) for e in examples] == [
        ("jsonl-a", ()),
        ("jsonl-7", ("Mbwa", "Mbwa mkubwa")),
        ("jsonl-d", ("Ndege\u2028mdogo",)),
    ]
    assert drops == [
        ("captions.jsonl:4", "the line is damaged or incomplete"),
        ("captions.jsonl:5", "the line is damaged or incomplete"),
        ("captions.jsonl:6", "the line is damaged or incomplete"),
        ("c", "the caption is neither a text nor a list of texts"),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'[\n{"image": "a"}]', r"is one JSON list\. .*jq -c '\.\[\]'"),
        (b"image,caption\n", "one object a line, in UTF-8"),
    ],
)
def test_a_file_that_is_no_json_lines_is_an_error_that_says_what_to_do(tmp_path, data, message):
    (tmp_path / "captions.jsonl").write_bytes(data)
    with pytest.raises(UserError, match=message):
        list(SOURCE.examples("sw", {"root": tmp_path / "captions.jsonl"}, DropLog()))
