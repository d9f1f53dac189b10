"""Where pictures lie: folders of files, and data sets whose pictures are within or beside their tables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mlilt
from data_prep import pictures
from data_prep.errors import UserError
from data_prep.pictures import PictureError
from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.search import gallery


def test_a_folders_pictures_are_those_in_it_and_in_its_folders_in_order(files: Path) -> None:
    found = gallery.find(files)
    items = list(found.items())
    assert (found.kind, found.splits) == ("folder", ())
    assert [item.name for item in items] == [
        *(f"{n}.png" for n in range(0, 10, 2)),
        *(f"wanyama/{n}.png" for n in range(1, 10, 2)),
    ]
    assert all(item.image_id == "" and item.stamp for item in items)
    assert pictures.read(found.picture("wanyama/3.png")) == (files / "wanyama/3.png").read_bytes()


def test_a_file_that_is_written_anew_has_another_stamp_even_if_its_time_is_set_back(files: Path) -> None:
    path = files / "0.png"
    before = path.stat()
    [was] = [item.stamp for item in gallery.find(files).items() if item.name == "0.png"]
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    [now] = [item.stamp for item in gallery.find(files).items() if item.name == "0.png"]
    assert was is not None
    assert now is not None
    assert (was.size, was.modified_ns) == (now.size, now.modified_ns)
    assert was != now


def test_kinds_that_cannot_be_read_are_listed_and_say_so(files: Path) -> None:
    (files / "phone.HEIC").write_bytes(b"whatever")
    found = gallery.find(files)
    assert "phone.HEIC" in {item.name for item in found.items()}
    with pytest.raises(PictureError, match="save it as JPEG or PNG"):
        found.picture("phone.HEIC")


def test_a_link_to_nowhere_is_listed_and_cannot_be_read(files: Path) -> None:
    (files / "link.png").symlink_to(files / "gone.png")
    found = gallery.find(files)
    assert "link.png" in {item.name for item in found.items()}
    with pytest.raises(PictureError, match="cannot be read"):
        pictures.read(found.picture("link.png"))


def test_a_name_that_is_not_utf8_and_a_folder_that_cannot_be_opened_are_listed_and_say_so(files: Path) -> None:
    odd = os.fsencode(files) + b"/caf\xe9.png"
    with open(odd, "wb") as file:  # noqa: PTH123 - pathlib takes no bytes
        file.write((files / "0.png").read_bytes())
    closed = files / "closed"
    closed.mkdir()
    (closed / "a.png").write_bytes(b"whatever")
    closed.chmod(0)
    found = gallery.find(files)
    items = {item.name for item in found.items()}
    assert "caf\\xe9.png" in items
    with pytest.raises(PictureError, match="its name is not UTF-8: rename it"):
        found.picture("caf\\xe9.png")
    # Root may open any folder.
    if not os.access(closed, os.R_OK):
        assert "closed/" in items
        with pytest.raises(PictureError, match="cannot be read: Permission denied"):
            found.picture("closed/")
    closed.chmod(0o700)


def test_a_data_sets_pictures_are_each_there_once_with_caption_and_credit(small_sw: Prepared) -> None:
    found = gallery.find(small_sw.folder, ["validation", "test"])
    items = {item.name: item for item in found.items()}
    for split in ("validation", "test"):
        there = dict(data.read_pictures(small_sw.folder, split))
        rows = {row.image_id: row for row in reversed(data.read_rows(small_sw.folder, split))}
        mine = {name for name in items if name.startswith(f"{split}/")}
        assert mine == {f"{split}/{image_id}" for image_id in there}
        for name in mine:
            item = items[name]
            assert item.stamp is None
            assert item.caption == rows[item.image_id].captions[0]
            assert pictures.read(found.picture(name)) == there[item.image_id]
    assert any("Noto Emoji" in item.credit and "Apache-2.0" in item.credit for item in items.values())
    with pytest.raises(PictureError, match="no longer in the data set"):
        found.picture("test/0000000000000000")


def test_pictures_beside_a_data_sets_tables_are_found(tmp_path: Path) -> None:
    prepared = mlilt.prepare("sw", limit=10, out=tmp_path / "sw", images=tmp_path / "shared", progress=False)
    found = gallery.find(prepared.folder, ["train"])
    there = dict(data.read_pictures(prepared.folder, "train"))
    items = list(found.items())
    assert {item.image_id: pictures.read(found.picture(item.name)) for item in items} == there
    assert all(isinstance(found.picture(item.name), Path) for item in items)


def test_all_splits_are_taken_if_none_is_named(small_sw: Prepared) -> None:
    assert gallery.find(small_sw.folder).splits == ("train", "validation", "test")


def test_what_is_no_gallery_is_told(files: Path, small_sw: Prepared, tmp_path: Path) -> None:
    for root, splits, said in (
        (tmp_path / "nowhere", (), "not there: name a folder of pictures"),
        (files / "0.png", (), "is a file: name a folder of pictures"),
        (files, ("test",), "has no splits"),
        (small_sw.folder, ("tests",), "has no split 'tests'. It has: train, validation, test"),
    ):
        with pytest.raises(UserError, match=said):
            gallery.find(root, splits)
