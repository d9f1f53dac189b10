from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from data_prep.errors import UserError
from data_prep.pictures import read
from data_prep.records import DropLog
from data_prep.sources._layout import Pictures, aligned, captions, json_lines, text_lines


def test_lines_end_at_line_feeds_alone_and_empty_ones_count(lay):
    text = "\ufeffmbwa\u2028mkubwa\r\n\n  paka\x85 \nng'ombe"
    root = lay({"a.txt": text, "a.txt.gz": gzip.compress(text.encode()), "b.txt": b"mb\xffwa\n"})
    for name in ("a.txt", "a.txt.gz"):
        assert text_lines(root / name) == ["mbwa\u2028mkubwa", "", "paka", "ng'ombe"]
    assert text_lines(root / "b.txt") == ["mb\ufffdwa"]


def test_a_cut_archive_of_lines_is_an_error(lay):
    root = lay({"a.gz": gzip.compress(b"mbwa\n" * 99)[:-9]})
    with pytest.raises(UserError, match=r"a\.gz: the file is damaged or cut short\. Get it once more\."):
        text_lines(root / "a.gz")


def test_files_that_do_not_fit_line_by_line_are_never_paired(lay):
    root = lay({"names.txt": "1.jpg\n2.jpg\n", "sw.txt": "mbwa\npaka\n", "yo.txt": "aja\n"})
    assert aligned(root / "names.txt", root / "sw.txt") == [("1.jpg", "mbwa"), ("2.jpg", "paka")]
    with pytest.raises(
        UserError, match=r"names\.txt has 2 lines and .*yo\.txt has 1, .* Get both from the same version"
    ):
        aligned(root / "names.txt", root / "yo.txt")


def test_damaged_json_lines_are_named_by_their_number(lay):
    root = lay({"a.jsonl": b'{"n": 1}\n\n{"n": 2\n[3]\n{"n": "\xff"}\n{"n": "mbwa"}'})
    log = DropLog()
    assert list(json_lines(root / "a.jsonl", "s", log)) == [(1, {"n": 1}), (6, {"n": "mbwa"})]
    reason = "the line is damaged or incomplete"
    assert [(d.item, d.reason) for d in log.drops] == [(f"a.jsonl:{n}", reason) for n in (3, 4, 5)]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(" mbwa ", ("mbwa",)), (["a", "", None, "b "], ("a", "b")), (None, ()), ("", ()), (7, ()), ([3], ())],
)
def test_captions_come_as_a_string_or_a_list(value, wanted):
    assert captions(value) == wanted


def test_pictures_are_found_in_folders_and_in_an_archive_that_is_not_compressed(lay, make_picture):
    red, green = make_picture("red"), make_picture("green")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("images/a.jpg", green), ("images/b.jpg", green)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    root = lay({"images/a.png": red, "images.tar": out.getvalue(), "secret.png": red})
    pictures = Pictures(root, ("images",), ("images.tar",))
    assert [read(pictures.find(name)) for name in ("a", "b")] == [red, green]
    assert pictures.find("c") is None
    assert pictures.find("../secret") is None
    lay({"images.tar": out.getvalue()[:700]})
    with pytest.raises(UserError, match=r"images\.tar is not a tar archive, or is cut short"):
        Pictures(root, (), ("images.tar",))
