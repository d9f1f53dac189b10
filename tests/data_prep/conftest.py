"""Miniatures of the sources in their real layout, tiny archives, and a local HTTP server that misbehaves on demand."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from data_prep.pictures import PictureError, canonical
from data_prep.pipeline import load_source
from data_prep.records import Example
from data_prep.rows import Rows

Handle = Callable[[BaseHTTPRequestHandler], None]


def picture(colour: str = "red", size: tuple[int, int] = (64, 64), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def tree_digest(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder, by relative name."""
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def tgz(members: Mapping[str, bytes], packed: Literal["", "gz", "bz2", "xz"] = "gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{packed}") as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, data in members.items():
            z.writestr(name, data)
    return out.getvalue()


def deb(data_tar: bytes, control_tar: bytes = b"") -> bytes:
    """A Debian package: an `ar` archive of debian-binary, control.tar.gz and data.tar.gz."""
    out = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0\n"), ("control.tar.gz", control_tar), ("data.tar.gz", data_tar)):
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., bytes]:
    """Encodes a picture of one colour."""
    return picture


@pytest.fixture(scope="session")
def digests() -> Callable[[Path], dict[str, str]]:
    """Digests of all files of a folder."""
    return tree_digest


@pytest.fixture(scope="session")
def archives() -> SimpleNamespace:
    """Builds archives in memory: `tgz` and `zip` of {name: bytes}, `deb` of its inner archives."""
    return SimpleNamespace(tgz=tgz, zip=zipped, deb=deb)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, empty, and no folder of archives."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MLILT_CACHE", str(folder))
    monkeypatch.delenv("MLILT_ARCHIVES", raising=False)
    return folder


@dataclass
class Server:
    """A real HTTP server on this machine; `asked` lists the paths it was asked for."""

    address: str
    routes: dict[str, list[Handle]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, *handles: Handle) -> str:
        """The first request gets the first answer, and so on; the last one stays. Returns the URL."""
        self.routes[path] = list(handles)
        return self.address + path

    @staticmethod
    def whole(data: bytes, kind: str = "application/octet-stream", status: int = 200) -> Handle:
        def handle(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            request.send_header("Content-Type", kind)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)

        return handle

    @staticmethod
    def half(data: bytes, then: threading.Event | None = None, started: threading.Event | None = None) -> Handle:
        """Promises all and sends half; with `then`, the connection stays open until it is set."""

        def handle(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data[: len(data) // 2])
            request.wfile.flush()
            if started:
                started.set()
            if then:
                then.wait(60)

        return handle

    @staticmethod
    def to(place: str) -> Handle:
        def handle(request: BaseHTTPRequestHandler) -> None:
            request.send_response(302)
            request.send_header("Location", place)
            request.end_headers()

        return handle

    @staticmethod
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        with suppress(OSError):  # until the other side hangs up
            while True:
                request.wfile.write(bytes(1 << 16))

    @staticmethod
    def half_in_chunks(data: bytes) -> Handle:
        """Sends half in chunked encoding and hangs up without the final chunk."""

        def handle(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            part = data[: len(data) // 2]
            request.wfile.write(f"{len(data):x}\r\n".encode() + part)

        return handle

    @staticmethod
    def gated(gate: threading.Event, handle: Handle) -> Handle:
        def wait(request: BaseHTTPRequestHandler) -> None:
            gate.wait(60)
            handle(request)

        return wait


@pytest.fixture
def server() -> Iterator[Server]:
    made: Server

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            made.asked.append(self.path)
            queue = made.routes.get(self.path)
            if not queue:
                self.send_error(404)
                return
            handle = queue.pop(0) if len(queue) > 1 else queue[0]
            handle(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        made = Server(f"http://127.0.0.1:{http.server_address[1]}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        http.shutdown()
        thread.join()


@pytest.fixture
def rows_of() -> Callable[..., Rows]:
    """Rows of Examples whose pictures are bytes; what they look like is decoded if they are pictures."""

    def build(examples: Sequence[Example]) -> Rows:
        digests = [hashlib.sha256(e.picture).digest()[:16] for e in examples]
        looks = np.zeros((len(examples), 200), np.uint8)
        for n, example in enumerate(examples):
            with suppress(PictureError):
                looks[n] = np.frombuffer(canonical(example.picture).look, np.uint8)
        return Rows(
            source=[e.source for e in examples],
            item=[e.item for e in examples],
            concept=[e.concept for e in examples],
            captions=[e.captions for e in examples],
            english=[e.captions_en[0] if e.captions_en else "" for e in examples],
            origin=[e.origin for e in examples],
            licence=[e.licence for e in examples],
            split=[e.split for e in examples],
            raw=digests,
            image_id=[d.hex() for d in digests],
            look=looks,
            kept=np.array([bool(e.captions) for e in examples], dtype=bool),
            flags={},
        )

    return build


class Miniature:
    """The sources' files in miniature, in exactly their layout, put where the cache has them.

    Emoji: dog 🐶 and cat 🐱 (two vendors), key 🔑; flags of two territories that are made up out of real letters.
    """

    def __init__(self, cache: Path) -> None:
        self.sources = {name: load_source(name) for name in ("cldr-emoji", "tuxpaint", "flags")}
        self.files: dict[str, Path] = {}
        for source in self.sources.values():
            for resource in source.about.resources:
                folder = cache / "resources" / f"{resource.name}-{resource.digest[:12]}"
                folder.mkdir(parents=True, exist_ok=True)
                self.files[resource.name] = folder
        rows = [
            self.row("🐶", "dog", "Animals & Nature"),
            self.row("🐱", "cat", "Animals & Nature"),
            self.row("🔑", "key", "Objects"),
            self.row("🇰🇪", "flag-ke", "Flags"),
            self.row("🇹🇿", "flag-tz", "Flags"),
        ]
        for vendor in ("google", "twitter"):
            self.emoji(rows, vendor)
            for number, row in enumerate(rows):
                self.emoji_picture(vendor, row["image"], picture(f"#{40 * number:02x}{ord(vendor[0]):02x}80"))
        self.annotations("en", {"🐶": ["dog face"], "🐱": ["cat face"], "🔑": ["key"]})
        self.annotations("sw", {"🐶": ["uso wa mbwa", "mbwa"], "🐱": ["uso wa paka", "paka"], "🔑": ["ufunguo"]})
        self.territories("en", {"KE": "Kenya", "TZ": "Tanzania"})
        self.territories("sw", {"KE": "Kenya", "TZ": "Tanzania"})
        self.stamp("animals/dog", b"A dog.\nde.utf8=Ein Hund.\nsw.utf8=Mbwa.\n", picture("brown", (90, 60)))

    @staticmethod
    def row(characters: str, name: str, category: str) -> dict[str, str]:
        code = "-".join(f"{ord(c):04X}" for c in characters)
        return {"unified": code, "image": f"{code.lower()}.png", "short_name": name, "category": category}

    def emoji(self, rows: list[dict[str, str]], vendor: str = "google") -> None:
        self._write(f"emoji-{vendor}", "emoji.json", json.dumps(rows).encode())

    def emoji_picture(self, vendor: str, name: str, data: bytes) -> Path:
        return self._write(f"emoji-{vendor}", f"64/{name}", data)

    def annotations(self, locale: str, names: Mapping[str, list[str]], derived: bool = False) -> Path:
        """For each emoji its name, then its keywords (the name is among them, as in CLDR)."""
        key, package = ("annotationsDerived", "-derived") if derived else ("annotations", "")
        table = {c: {"default": [*words[1:], words[0]], "tts": words[:1]} for c, words in names.items()}
        text = json.dumps({key: {"identity": {"language": locale}, "annotations": table}})
        return self._write(f"cldr-annotations{package}-full", f"{key}/{locale}/annotations.json", text.encode())

    def territories(self, locale: str, names: Mapping[str, str]) -> Path:
        table = {"main": {locale: {"identity": {}, "localeDisplayNames": {"territories": dict(names)}}}}
        return self._write("cldr-localenames-full", f"main/{locale}/territories.json", json.dumps(table).encode())

    def stamp(self, name: str, text: bytes, data: bytes | None, suffix: str = ".png") -> None:
        self._write("tuxpaint-stamps", name + ".txt", text)
        if data is not None:
            self._write("tuxpaint-stamps", name + suffix, data)

    def _write(self, resource: str, name: str, data: bytes) -> Path:
        path = self.files[resource] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


@pytest.fixture
def miniature(empty_cache: Path) -> Miniature:
    """A cache that holds miniatures instead of the real sources."""
    return Miniature(empty_cache)
