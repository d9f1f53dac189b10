from __future__ import annotations

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import pictures
from data_prep.errors import UserError
from data_prep.records import Cell
from data_prep.sources.parquet import SOURCE
from tests.data_prep.sources.walking import walk


def read(path, **columns):
    return walk(SOURCE, "sw", path, **columns)


@pytest.mark.parametrize("kind", ["bytes", "the Hub's struct"])
def test_pictures_in_the_table_are_named_by_their_cell(tmp_path, make_picture, kind):
    files = [make_picture(f"#{40 * n:02x}4080") for n in range(5)]
    path = tmp_path / "data.parquet"
    columns = {"photo": files, "text": [f"Mbwa {n}" for n in range(5)], "n": range(5)}
    if kind == "bytes":
        pq.write_table(pa.table({**columns, "n": list(range(5))}), path, row_group_size=2)
    else:
        columns["photo"] = [{"bytes": data, "path": "image.png"} for data in files]
        features = datasets.Features(
            {"photo": datasets.Image(), "text": datasets.Value("string"), "n": datasets.Value("int64")}
        )
        datasets.Dataset.from_dict(columns, features=features).to_parquet(str(path))
    examples, drops = read(path)
    assert drops == []
    assert [e.picture for e in examples] == [Cell(path, n, "photo") for n in range(5)]
    assert [pictures.read(e.picture) for e in examples] == files
    assert [(e.concept, e.captions) for e in examples] == [(f"parquet-data/{n}", (f"Mbwa {n}",)) for n in range(5)]


@pytest.mark.parametrize("column", ["id", "key"])
def test_a_rows_own_id_names_a_concept_but_joins_no_pictures(tmp_path, column):
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"image": [b"x", b"y"], column: [1, 1], "caption": ["A1", "A2"]}), path)
    assert [(e.concept, e.picture.row, e.captions) for e in read(path)[0]] == [
        ("parquet-1", 0, ("A1",)),
        ("parquet-1", 1, ("A2",)),
    ]


def test_rows_of_one_picture_id_are_one_picture(tmp_path):
    path = tmp_path / "data.parquet"
    rows = [("a", "A1"), ("a", "A2"), ("b", "B1"), ("a", "A3"), (None, "C1"), (None, "D1")]
    table = {"image": [b"x"] * 6, "image_id": [row[0] for row in rows], "caption": [row[1] for row in rows]}
    pq.write_table(pa.table(table), path)
    assert [(e.concept, e.picture.row, e.captions) for e in read(path)[0]] == [
        ("parquet-b", 2, ("B1",)),
        ("parquet-data/4", 4, ("C1",)),
        ("parquet-data/5", 5, ("D1",)),
        ("parquet-a", 0, ("A1", "A2", "A3")),
    ]


def test_a_table_may_name_files_and_hold_lists(tmp_path, make_picture):
    (tmp_path / "a.png").write_bytes(make_picture())
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"file": ["a.png", "b.png"], "captions": [["Mbwa", "Mbwa mkubwa"], None]}), path)
    (dog,), drops = read(path)
    assert (dog.picture, dog.captions) == (tmp_path / "a.png", ("Mbwa", "Mbwa mkubwa"))
    assert drops == [("b.png", "the picture is not in the folder")]


def test_a_column_of_pictures_alone_is_enough_where_captions_are_not_wanted(tmp_path):
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"image": [b"x", b"y"]}), path)
    assert [(e.picture, e.captions) for e in read(path, caption="")[0]] == [
        (Cell(path, 0, "image"), ()),
        (Cell(path, 1, "image"), ()),
    ]


def test_what_is_no_parquet_file_is_an_error(tmp_path):
    path = tmp_path / "data.parquet"
    path.write_bytes(b"image,caption")
    with pytest.raises(UserError, match="is not a Parquet file, or is damaged"):
        read(path)
