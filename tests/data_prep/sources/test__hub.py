from __future__ import annotations

import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.errors import UserError
from data_prep.pictures import read
from data_prep.records import Cell, DropLog
from data_prep.sources._hub import SPLIT_FILES, rows, shards


def test_rows_have_the_place_of_their_picture(hub_table, make_picture):
    colours = ["red", "green", "blue", "black", "white"]
    pictures = [make_picture(colour) for colour in colours]
    hub_table("data/sw-00000-of-00002.parquet", {"n": [0, 1, 2], "image": pictures[:3]})
    root = hub_table("data/sw-00001-of-00002.parquet", {"n": [3, 4], "image": pictures[3:]})
    found = list(rows(root, "data/sw-*.parquet", ("n",), "s", DropLog()))
    assert [(path.name, number) for path, number, _ in found] == [
        ("sw-00000-of-00002.parquet", 0),
        ("sw-00000-of-00002.parquet", 1),
        ("sw-00000-of-00002.parquet", 2),
        ("sw-00001-of-00002.parquet", 0),
        ("sw-00001-of-00002.parquet", 1),
    ]
    assert [row for *_, row in found] == [{"n": n} for n in range(5)]
    assert [read(Cell(path, number, "image")) for path, number, _ in found] == pictures


def test_a_language_does_not_take_the_files_of_one_whose_code_begins_alike(hub_table):
    for name in ("sr-00000-of-00001", "sr-Latn-00000-of-00001", "sr-00000-of-00002-abcdef0123456789"):
        root = hub_table(f"data/{name}.parquet", {"n": [1]})
    assert [p.stem for p in shards(root, SPLIT_FILES.format(locale="sr"))] == [
        "sr-00000-of-00001",
        "sr-00000-of-00002-abcdef0123456789",
    ]
    assert [p.stem for p in shards(root / "data", SPLIT_FILES.format(locale="sr-Latn"))] == ["sr-Latn-00000-of-00001"]


def test_a_damaged_file_is_named_and_the_next_is_read(hub_table):
    hub_table("data/a-00000-of-00002.parquet", {"n": [1, 2, 3]})
    root = hub_table("data/a-00001-of-00002.parquet", {"n": [4]})
    path = root / "data" / "a-00000-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    log = DropLog()
    assert [row["n"] for *_, row in rows(root, "data/*.parquet", ("n",), "s", log)] == [4]
    assert [(d.source, d.item, d.reason) for d in log.drops] == [("s", path.name, "the file is damaged or cut short")]


def test_wrong_bits_in_a_files_end_are_damage(hub_table):
    # The names and kinds of columns lie there without a checksum.
    root = hub_table("data/a.parquet", {"name": ["Mbwa"], "also": [["Paka"]]}, ())
    path = root / "data" / "a.parquet"
    whole = path.read_bytes()
    kinds, missing = set(), []
    for place in range(len(whole) * 8 // 2, len(whole) * 8):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(data)
        log = DropLog()
        try:
            found = [row for *_, row in rows(root, "data/*.parquet", ("name", "also"), "s", log)]
        except UserError as error:
            missing.append(str(error))
            continue
        texts = [text for row in found for text in (row["name"], *(row["also"] or ()))]
        assert all(isinstance(text, str | None) for text in texts)
        kinds.update(d.reason for d in log.drops)
    assert kinds == {"the file is damaged or cut short"}
    assert all("has no column" in error for error in missing)


def test_what_the_user_can_mend_is_said(hub_table, lay):
    root = hub_table("data/a.parquet", {"n": [1], "m": [2]})
    with pytest.raises(UserError, match=r"a\.parquet has no column caption; it has n, m\."):
        list(rows(root, "data/a.parquet", ("n", "caption"), "s", DropLog()))
    lay({"data/b.parquet": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"})
    with pytest.raises(UserError, match=r"Git LFS's pointer to the data\. Run `git lfs pull`"):
        list(rows(root, "data/b.parquet", ("n",), "s", DropLog()))


def test_walking_reads_no_pictures(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"n": list(range(64)), "image": [bytes([n]) * 500_000 for n in range(64)]})
    pq.write_table(table, path, row_group_size=64, compression="none")
    del table
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    most = 0
    for _ in rows(tmp_path, "a.parquet", ("n",), "s", DropLog()):
        most = max(most, pa.total_allocated_bytes() - before)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 32_000_000
    assert most + peak < 4_000_000
