"""Ten minutes of a server under load: good requests among malformed, oversized and slow ones.

Clients ask at once for texts, pictures and similar pictures; send broken requests, paths that climb, bodies that are
larger than allowed or not what they say, and headers a byte at a time. Counted are answers by status; a status of 500
or more, an answer with a file's content and memory that grows are faults. In the middle the server is stopped and
started again while clients go on, and the index is brought up to date.

`python -m benchmarks.reliability.load --seconds 600`.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import psutil
from PIL import Image

import mlilt
from benchmarks._table import show
from benchmarks.reliability import as_program
from mlilt import search

SECONDS = 600.0
CLIENTS = 12
SLOW = 4
# No client waits longer for an answer.
_ANSWER_S = 60.0
# Megabytes a minute by which memory may grow at the end, and seconds that a new server has until it counts.
_GROWS = 5.0
_SETTLES_S = 90.0


class Server:
    """`mlilt serve` on a port of its own, which can be stopped and started again."""

    def __init__(self, index: Path) -> None:
        self._index = index
        self.port = 0
        self.process: psutil.Popen | None = None

    def start(self) -> None:
        """Waits until it answers."""
        command = [sys.executable, "-m", "mlilt", "serve", str(self._index), "--port", str(self.port), "--offline"]
        self.process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = self.process.stdout.readline().split()[1]
        self.port = int(address.rstrip("/").rsplit(":", 1)[1])

    def stop(self) -> float:
        """Seconds that it took."""
        assert self.process is not None
        begun = time.perf_counter()
        self.process.terminate()
        self.process.wait(30)
        return time.perf_counter() - begun


def run(seconds: float = SECONDS, seed: int = 0) -> None:
    """Prints answers by kind of request and status, and the server's memory over time."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        data = mlilt.prepare("sw", limit=60, out=root / "sw", progress=False).folder
        mlilt.train("sw", data=str(data), epochs=1, out=root / "run", progress=False)
        pictures = root / "pictures"
        pictures.mkdir()
        for number in range(60):
            Image.effect_noise((320, 240), 20 + number).save(pictures / f"{number}.png")
        (root / "secret.txt").write_text("must not be read")
        index = search.build(root / "run", pictures, root / "index", progress=False).folder
        server = Server(index)
        server.start()
        load = Load(server, [hit.image_id for hit in search.open_index(index).search("mbwa", top=60)], seed)
        try:
            asyncio.run(load.run(seconds, lambda: _change(root, index)))
        finally:
            took = server.stop()
        load.show(took)


def _change(root: Path, index: Path) -> None:
    """A picture more, in a process of its own."""
    Image.effect_noise((320, 240), 90).save(root / "pictures" / "new.png")
    command = [sys.executable, "-m", "mlilt", "index", str(root / "run"), str(root / "pictures"), "--out", str(index)]
    subprocess.run([*command, "--offline"], check=True, capture_output=True)


Ask = Callable[[asyncio.StreamReader, asyncio.StreamWriter, random.Random], Awaitable[str]]


class Load:
    """The clients, and what they saw."""

    def __init__(self, server: Server, image_ids: list[str], seed: int) -> None:
        self._server = server
        self._ids = image_ids
        self._draws = random.Random(seed)
        self._picture = _png(64)
        self.seen: Counter[tuple[str, str]] = Counter()
        self.faults: list[str] = []
        self.rss: list[tuple[float, float]] = []
        self._restarting = False
        self.stopped_s = 0.0
        self._begun = 0.0
        self._restarted = 0.0

    async def run(self, seconds: float, change: Callable[[], None]) -> None:
        """Asks for so long; in the middle the server starts anew, and the index changes."""
        self._begun = time.perf_counter()
        end = self._begun + seconds
        kinds: dict[str, Ask] = {
            "text": self._text,
            "picture shown": self._shown,
            "similar": self._similar,
            "picture sent": self._sent,
            "garbage": self._garbage,
            "path that climbs": self._climbing,
            "too large": self._large,
            "not what it says": self._lying,
            "cut off": self._cut,
        }
        clients = [self._client(list(kinds.items()), end, number) for number in range(CLIENTS)]
        slow = [self._client([("slow", self._slow)], end, CLIENTS + number) for number in range(SLOW)]
        await asyncio.gather(*clients, *slow, self._watch(end), self._disturb(seconds, change))

    async def _client(self, kinds: list[tuple[str, Ask]], end: float, number: int) -> None:
        draws = random.Random(number)
        while time.perf_counter() < end:
            name, ask = draws.choice(kinds)
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
                try:
                    status = await asyncio.wait_for(ask(reader, writer, draws), _ANSWER_S)
                finally:
                    writer.close()
            except (ConnectionError, asyncio.IncompleteReadError):
                status = "closed"
            except TimeoutError:
                status = "no answer"
            if self._restarting and status == "closed":
                await asyncio.sleep(0.2)
                status = "closed while it started anew"
            self.seen[name, status] += 1
            closed = status == "closed" and name in {"text", "picture shown", "similar", "picture sent"}
            if status[0] == "5" or closed or (status == "no answer" and name != "slow"):
                self.faults.append(f"{name}: {status}")

    async def _watch(self, end: float) -> None:
        while time.perf_counter() < end:
            await asyncio.sleep(2)
            if not self._restarting and self._server.process is not None:
                # Of libraries that it shares all counts: a share would change with what else runs on the machine.
                self.rss.append((time.perf_counter() - self._begun, self._server.process.memory_info().rss / 1e9))

    async def _disturb(self, seconds: float, change: Callable[[], None]) -> None:
        await asyncio.sleep(seconds / 3)
        await asyncio.to_thread(change)
        await asyncio.sleep(seconds / 6)
        self._restarting = True
        self.stopped_s = await asyncio.to_thread(self._server.stop)
        await asyncio.to_thread(self._server.start)
        self._restarting = False
        self._restarted = time.perf_counter() - self._begun
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        await self._ask(reader, writer, b"GET /api/indexes HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if self._body.count(b'"pictures":61') != 1:
            self.faults.append(f"after the restart: {self._body!r}")
        writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
        """Sends a request and gives the answer's status; its body is kept."""
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next((line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")), "0")
        self._body = await reader.readexactly(int(length))
        if b"must not be read" in self._body or b"root:" in self._body:
            self.faults.append(f"a file's content: {request[:200]!r}")
        return head.split()[1]

    async def _text(self, reader: Any, writer: Any, draws: random.Random) -> str:
        word = draws.choice(["mbwa", "nyumba nyeupe", "ዝሆን", "🐶", "a" * 900, "\u202e mbwa"])
        return await self._ask(reader, writer, _get(f"/api/search?top={draws.choice((1, 30, 200))}&q={quote(word)}"))

    async def _shown(self, reader: Any, writer: Any, draws: random.Random) -> str:
        side = draws.choice((256, 1024))
        return await self._ask(reader, writer, _get(f"/api/pictures/index/{draws.choice(self._ids)}?side={side}"))

    async def _similar(self, reader: Any, writer: Any, draws: random.Random) -> str:
        return await self._ask(reader, writer, _get(f"/api/similar?image_id={draws.choice(self._ids)}"))

    async def _sent(self, reader: Any, writer: Any, draws: random.Random) -> str:
        body = draws.choice([self._picture, _png(16), b"no picture", self._picture[:200], b""])
        return await self._ask(reader, writer, _post(body))

    async def _garbage(self, reader: Any, writer: Any, draws: random.Random) -> str:
        line = draws.choice(
            [
                draws.randbytes(200).replace(b"\n", b"") + b"\r\n\r\n",
                _get("/api/search?q=%ff%fe%00"),
                _get("/api/search?q="),
                _get("/api/search?top=999999999999999999999&q=a"),
                _get("/api/search?top=-1&q=a"),
                _get("/api/search?index=" + "x" * 5_000 + "&q=a"),
                _get("/" + "a" * 60_000),
                b"GET /api/search?q=a HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
                b"DELETE /api/indexes HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n",
                b"POST /api/search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
                b"GET /api/search?q=a HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            ]
        )
        return await self._ask(reader, writer, line)

    async def _climbing(self, reader: Any, writer: Any, draws: random.Random) -> str:
        path = draws.choice(
            [
                "/page/../../../../../../etc/passwd",
                "/page/..%2f..%2f..%2fsecret.txt",
                "/page/%2e%2e/%2e%2e/etc/passwd",
                "/api/pictures/../../secret.txt",
                "/api/pictures/index/..%2f..%2fsecret.txt",
                "/api/pictures/%2e%2e/0123456789abcdef",
                "/api/search?q=a&index=../../etc/passwd",
                "//etc/passwd",
            ]
        )
        return await self._ask(reader, writer, _get(path))

    async def _large(self, reader: Any, writer: Any, draws: random.Random) -> str:
        if draws.random() < 0.5:
            head = b"POST /api/search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n"
            return await self._ask(reader, writer, head + b"x" * 1_000)
        # In chunks without an end; the server must stop reading by itself.
        writer.write(b"POST /api/search/picture HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        # Looked at in any case: when the server starts anew, writing may fail first.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        for _ in range(200):
            if answer.done():
                break
            writer.write(chunk)
            await writer.drain()
        told: bytes = await answer
        return told.decode("latin-1").split()[1]

    async def _lying(self, reader: Any, writer: Any, draws: random.Random) -> str:
        bomb = _bomb() if draws.random() < 0.5 else b"GIF89a" + draws.randbytes(3_000)
        return await self._ask(reader, writer, _post(bomb))

    async def _cut(self, reader: Any, writer: Any, draws: random.Random) -> str:
        whole = draws.choice([_get("/api/search?q=mbwa"), _post(self._picture)])
        writer.write(whole[: draws.randrange(1, len(whole))])
        await writer.drain()
        return "left"

    async def _slow(self, reader: Any, writer: Any, draws: random.Random) -> str:
        """A byte now and then, until the server has had enough."""
        for byte in _post(self._picture):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.5)
            if reader.at_eof() or self._restarting:
                return "closed"
        return "answered"

    def show(self, stopped_s: float) -> None:
        """Prints what was seen."""
        kinds = sorted({name for name, _ in self.seen})
        lines = [
            (
                kind,
                ", ".join(
                    f"{status}: {count:,}" for (name, status), count in sorted(self.seen.items()) if name == kind
                ),
            )
            for kind in kinds
        ]
        show(("request", "answers"), lines)
        times, sizes = np.array(self.rss).T
        # Of the server that was started anew, once it has loaded all that it keeps.
        late = times > self._restarted + _SETTLES_S
        if late.sum() > 30:
            slope = np.polyfit(times[late], sizes[late], 1)[0] * 60 * 1000
            grown = f"where it changed by {slope:+.1f} MB a minute for {times[-1] - times[late][0]:.0f} seconds"
            if slope > _GROWS:
                self.faults.append(f"memory grows by {slope:.1f} MB a minute")
        else:
            grown = "too soon to tell whether it grows"
        print(
            f"\n{sum(self.seen.values()):,} requests. Memory {sizes[0]:.2f} GB at first, {sizes.max():.2f} at most, "
            f"{sizes[-1]:.2f} at the end, {grown}. Stopped in "
            f"{self.stopped_s:.1f} s under load, in {stopped_s:.1f} s at the end."
        )
        print(f"Faults: {json.dumps(self.faults[:20]) if self.faults else 'none'}.")


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _post(body: bytes) -> bytes:
    head = f"POST /api/search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _png(side: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((side, side), 60).save(out, "PNG")
    return out.getvalue()


def _bomb() -> bytes:
    """Few bytes, many pixels."""
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    return out.getvalue()


if __name__ == "__main__":
    as_program(run, __doc__, seconds=SECONDS)
