from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import unpack as room
from data_prep.errors import UserError
from data_prep.unpack import UnsafeArchiveError, unpack

FORMATS = ("tgz", "zip", "deb")


def plain(data: bytes) -> bytes:
    """No compression. It has no checksum of its own either: a resource's digest tells what was changed."""
    return data


def keep(name: str) -> str | None:
    return name


@pytest.fixture
def put(tmp_path, archives):
    """Writes an archive of the format with one entry, and returns its path and an empty target folder."""

    def build(form: str, name: str, data: bytes = b"data", kind: bytes = tarfile.REGTYPE) -> tuple[Path, Path]:
        path, target = tmp_path / f"archive.{form}", tmp_path / "outer" / "target"
        target.mkdir(parents=True, exist_ok=True)
        if form == "zip":
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if kind == tarfile.SYMTYPE else 0o100644) << 16
            with zipfile.ZipFile(path, "w") as z:
                z.writestr(info, data)
            return path, target
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(data))
        path.write_bytes(archives.deb(out.getvalue()) if form == "deb" else out.getvalue())
        return path, target

    return build


@pytest.mark.parametrize("form", FORMATS)
def test_files_land_under_their_names_and_only_those_chosen(put, form):
    archive, target = put(form, "a/b.txt", b"content")
    assert unpack(archive, target, lambda name: name.replace("a/", "new/")) == 1
    assert (target / "new" / "b.txt").read_bytes() == b"content"
    assert unpack(archive, target, lambda name: None) == 0


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "..\\out.txt", ".."])
def test_an_entry_that_would_leave_the_folder_is_refused(put, form, name):
    archive, target = put(form, name)
    with pytest.raises(UnsafeArchiveError, match="outside its folder"):
        unpack(archive, target, keep)
    assert not [p for p in target.parent.rglob("*") if p.is_file()]


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b c", "\\", "\x00", "é"]), max_size=6).map("/".join))
def test_no_name_at_all_leads_outside(name):
    target = Path("/somewhere/target")
    try:
        path = room._inside(target, name)
    except UnsafeArchiveError:
        return
    assert ".." not in path.parts
    assert path != target
    assert path.is_relative_to(target)


@pytest.mark.parametrize(
    ("form", "kind"),
    [(form, tarfile.SYMTYPE) for form in FORMATS]
    + [("tgz", kind) for kind in (tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)],
)
def test_links_and_devices_are_refused_if_chosen_and_passed_over_if_not(put, form, kind):
    archive, target = put(form, "link", b"/etc/passwd", kind)
    with pytest.raises(UnsafeArchiveError, match="link is a link or a device"):
        unpack(archive, target, keep)
    assert list(target.iterdir()) == []
    assert unpack(archive, target, lambda name: None) == 0


def test_an_entry_without_a_name_is_damage(archives, tmp_path):
    path = tmp_path / "a.zip"
    # A name ends at its first zero byte.
    path.write_bytes(archives.zip({"name": b"x"}).replace(b"name", b"\0ame"))
    with pytest.raises(UserError, match=r"a\.zip is damaged or cut short: an entry has no name"):
        unpack(path, tmp_path / "out", keep)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_a_cut_archive_is_named(archives, tmp_path, form, share):
    noise = bytes((i * i * 7 + i // 3) % 251 for i in range(200_000))
    inner = archives.tgz({"a.txt": noise, "b.txt": noise[::-1]})
    data = {"tgz": inner, "zip": archives.zip({"a.txt": noise}), "deb": archives.deb(inner)}[form]
    path = tmp_path / "cut.bin"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match=r"cut\.bin is damaged or cut short"):
        unpack(path, tmp_path / "target", keep)


@pytest.mark.parametrize("pack", [plain, gzip.compress, bz2.compress, lzma.compress])
def test_every_compression_of_tar_is_read_and_damage_within_a_file_is_named(archives, tmp_path, pack):
    text = b" ".join(str(i * i).encode() for i in range(30_000))
    data = pack(gzip.decompress(archives.tgz({"a.txt": text})))
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    assert unpack(path, tmp_path / "target", keep) == 1
    assert (tmp_path / "target" / "a.txt").read_bytes() == text
    middle = len(data) // 2
    path.write_bytes(data[:middle] + b"\xff" * 400 + data[middle + 400 :] if pack is not plain else data[:middle])
    with pytest.raises(UserError, match=r"a\.tar is damaged"):
        unpack(path, tmp_path / "target", keep)


@pytest.mark.parametrize("data", [b"", b"just text", b"!<arch>\nrubbish", b"PK rubbish", b"\x1f\x8b\x08rubbish"])
def test_what_is_no_archive_is_named(tmp_path, data):
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"x\.bin is damaged"):
        unpack(path, tmp_path / "target", keep)


@pytest.mark.parametrize("form", FORMATS)
def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_written(put, form, monkeypatch):
    monkeypatch.setattr(room, "MAX_BYTES", 1000)
    archive, target = put(form, "zeros", bytes(1001))
    with pytest.raises(UnsafeArchiveError, match="more than 1000 bytes"):
        unpack(archive, target, keep)
    assert list(target.iterdir()) == []


def test_an_archive_of_too_many_files_is_refused(archives, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MAX_FILES", 3)
    path = tmp_path / "many.tgz"
    path.write_bytes(archives.tgz({f"{i}": b"" for i in range(4)}))
    with pytest.raises(UnsafeArchiveError, match="or 3 files"):
        unpack(path, tmp_path / "target", keep)


def test_a_zip_entry_that_lies_about_its_size_cannot_write_more(archives, tmp_path):
    data = archives.zip({"zeros": bytes(1_000_000)})
    lie = data.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lie != data
    path = tmp_path / "lie.zip"
    path.write_bytes(lie)
    with pytest.raises(UserError, match="damaged"):
        unpack(path, tmp_path / "target", keep)
    assert (tmp_path / "target" / "zeros").stat().st_size <= 10


def test_a_name_that_is_file_and_folder_at_once_is_the_archives_fault(archives, tmp_path):
    path = tmp_path / "x.tgz"
    path.write_bytes(archives.tgz({"a": b"", "a/b": b""}))
    with pytest.raises(UserError, match="a file and a folder of the same name"):
        unpack(path, tmp_path / "target", keep)


def test_a_target_that_cannot_be_written_is_not_blamed_on_the_archive(archives, tmp_path):
    path = tmp_path / "x.tgz"
    path.write_bytes(archives.tgz({"n" * 300: b""}))
    with pytest.raises(OSError, match="too long"):
        unpack(path, tmp_path / "target", keep)
