"""Unpacks archives without ever leaving the target folder.

Only regular files are written; links, devices and entries whose path is absolute or climbs out are refused,
and so is an archive that unpacks to more than it should.
"""

from __future__ import annotations

import errno
import io
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from data_prep.errors import UserError

MAX_BYTES = 2 * 1024**3
MAX_FILES = 100_000

# What the readers raise on damaged input, besides OSError. NotImplementedError and RuntimeError: a zip entry
# compressed by an unknown method, or encrypted. OverflowError and MemoryError: a size that no file has.
ARCHIVE_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    MemoryError,
)

# Says under which relative path a member is to be written, or None to leave it out.
Rename = Callable[[str], str | None]


class UnsafeArchiveError(UserError):
    """An archive that tries to write outside its folder, or is too large."""


def unpack(archive: Path, target: Path, rename: Rename) -> int:
    """Writes the members that `rename` chooses below `target`; the format is told by the file's first bytes.

    Reads tar (gz, xz, bz2, plain), zip (wheels too) and Debian packages. Returns the number of files written.

    Raises:
        UnsafeArchiveError: an entry would land outside `target`, is a link that was chosen, or limits are passed.
        UserError: the file is none of these formats, or is damaged.
        OSError: the disk is full, or `target` cannot be written.
    """
    written = total = 0
    try:
        for name, size, stream in _members(archive):
            wanted = rename(name)
            if wanted is None:
                continue
            path = _inside(target, wanted)
            if stream is None:
                raise UnsafeArchiveError(f"{archive.name}: {name} is a link or a device, not a file; refused.")
            written, total = written + 1, total + size
            if total > MAX_BYTES or written > MAX_FILES:
                raise UnsafeArchiveError(f"{archive.name} unpacks to more than {MAX_BYTES} bytes or {MAX_FILES} files.")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                shutil.copyfileobj(stream, out)
    except ARCHIVE_ERRORS as error:
        raise UserError(f"{archive.name} is damaged or cut short: {error}") from error
    except OSError as error:
        # gzip and bz2 report damage as OSErrors without a number, a zip's wrong places make an invalid seek; the rest
        # comes from the disk.
        if error.errno in {None, errno.EINVAL}:
            raise UserError(f"{archive.name} is damaged or cut short: {error}") from error
        if isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
            raise UserError(f"{archive.name} holds a file and a folder of the same name: {error}") from error
        raise
    return written


def _inside(target: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or "\0" in name:
        raise UnsafeArchiveError(f"An archive entry would be written outside its folder: {name!r}; refused.")
    return target.joinpath(*parts)


def _members(archive: Path) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    with archive.open("rb") as file:
        magic = file.read(8)
        file.seek(0)
        if magic.lstrip()[:1] == b"<":
            raise UserError(f"{archive.name} is a web page, not an archive")
        if magic.startswith(b"PK"):
            yield from _zip(file)
        elif magic == b"!<arch>\n":
            yield from _deb(file)
        else:
            yield from _tar(file)


def _zip(file: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    with zipfile.ZipFile(file) as z:
        for info in z.infolist():
            if not info.filename:
                raise ValueError("an entry has no name")
            if info.is_dir():
                continue
            link = (info.external_attr >> 16) & 0o170000 == 0o120000
            if link:
                yield info.filename, 0, None
            else:
                with z.open(info) as stream:
                    yield info.filename, info.file_size, stream


def _tar(file: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    with tarfile.open(fileobj=file, mode="r:*") as tar:
        for member in tar:
            if member.isdir():
                continue
            name = member.name.removeprefix("./")
            yield name, member.size, tar.extractfile(member) if member.isreg() else None


def _deb(file: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    """A Debian package is an `ar` archive; its files are in the member data.tar.*."""
    file.seek(8)
    while header := file.read(60):
        if len(header) < 60 or header[58:60] != b"`\n":
            raise ValueError("bad ar header")
        name, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            yield from _tar(io.BufferedReader(_Window(file, file.tell(), size)))
            return
        file.seek(size + size % 2, io.SEEK_CUR)
    raise ValueError("no data.tar in the package")


class _Window(io.RawIOBase):
    """A seekable view of `size` bytes of a file, from `start` on."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._start + self._at)
        data = self._file.read(min(len(buffer), max(0, self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
