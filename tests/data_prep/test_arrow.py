"""Examples on disk: in Parquet between stages, and in drop logs."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from data_prep import arrow, logs
from data_prep.records import Cell, Drop, DropLog, Example, Region, Slice

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.integers(0, 2**40)
PATH = st.sampled_from([Path("/a/b.png"), Path("c é/d")])
WHOLE = st.one_of(
    PATH,
    st.binary(max_size=9),
    st.builds(Slice, PATH, NUMBER, NUMBER),
    st.builds(Cell, PATH, NUMBER, st.sampled_from(["image", "image.bytes"])),
)
PICTURE = st.one_of(WHOLE, st.builds(Region, WHOLE, st.tuples(*4 * [st.integers(-5, 900)])))
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
EXAMPLE = st.builds(
    Example,
    picture=PICTURE,
    captions=TEXTS,
    concept=TEXT,
    source=TEXT,
    licence=TEXT,
    attribution=TEXT,
    keywords=TEXTS,
    captions_en=TEXTS,
    keywords_en=TEXTS,
    category=TEXT,
    variant=TEXT,
    image_id=TEXT,
    split=TEXT,
    origin=TEXT,
    chrf=st.none() | st.floats(0, 100),
    flags=TEXTS,
    place=NUMBER,
)


@given(st.lists(EXAMPLE, max_size=5))
def test_examples_come_back_as_they_were(tmp_path_factory, examples):
    path = tmp_path_factory.mktemp("pieces") / "0.parquet"
    arrow.write(path, arrow.table(examples))
    assert list(arrow.examples(pq.read_table(path))) == examples
    assert [p.name for p in path.parent.iterdir()] == ["0.parquet"]


def test_half_a_character_becomes_a_sign_that_it_was_lost():
    example = Example(Path("x"), ("mb\ud83dwa", "paka"), "c", "s", "", "")
    (found,) = arrow.examples(arrow.table([example]))
    assert found.captions == ("mb\ufffd\ufffd\ufffdwa", "paka") or found.captions == ("mb\ufffdwa", "paka")


DROP = st.builds(
    Drop, TEXT, TEXT, TEXT, TEXT, st.none() | PICTURE.filter(lambda p: not _holds_bytes(p)), st.none() | NUMBER
)


def _holds_bytes(picture: object) -> bool:
    return isinstance(picture, bytes) or (isinstance(picture, Region) and isinstance(picture.picture, bytes))


@given(st.lists(DROP, max_size=5), st.dictionaries(TEXT, NUMBER, max_size=3), st.lists(TEXT, max_size=2, unique=True))
def test_logs_come_back_as_they_were_and_are_counted(tmp_path_factory, drops, changes, notes):
    log = DropLog()
    for drop in drops:
        log.add(drop)
    for what, count in changes.items():
        log.change(what, count)
    for note in notes:
        log.note(note)
    path = tmp_path_factory.mktemp("logs") / "0.jsonl"
    logs.write(path, log)
    assert log.drops == []
    again = DropLog()
    assert list(logs.read(path, again)) == drops
    assert again.counts == log.counts
    assert dict(again.changes) == changes
    assert again.notes == notes
    assert again.drops == []
