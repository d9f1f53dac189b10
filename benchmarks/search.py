"""Searching a million pictures by text: delay of a query, what is found of the ten nearest, size, a server's load.

Vectors of width 256 are generated around those of real pictures: each is one of them turned by about 37 degrees (cosine
0.8). Queries are captions of the test split, each different. A query's delay runs from its text to ranked image ids;
the same text tower encodes for all. Clients share the machine with the server.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import psutil
from numpy.typing import NDArray

import mlilt
from benchmarks._memory import memory
from benchmarks._table import show
from mlilt import data, record, search
from mlilt.search import store
from mlilt.search.gallery import Item, Stamp
from mlilt.search.store import Row
from mlilt.search.vectors import Vectors

COUNT = 1_000_000
TOP = 10
COSINE = 0.8
QUERIES = 400
CLIENTS = (1, 8, 32)
LOAD_S = 10.0
# Vectors made, added or compared at once.
_PART = 50_000

Array = NDArray[np.float32]
Find = Callable[[Array], Sequence[int]]


def run(count: int = COUNT) -> None:
    """Prints a table of delays and one of the server's load."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        folder = mlilt.prepare("sw", out=root / "sw", progress=False).folder
        # In a process of its own: who searches has not trained before.
        settings = ["--lang", "sw", "--data", str(folder), "--epochs", "3", "--out", str(root / "run")]
        subprocess.run([sys.executable, "-m", "mlilt", "train", *settings], check=True, capture_output=True)
        real = search.build(root / "run", folder, root / "real", progress=False)
        captions = _captions(folder)
        vectors, keys = _generated(search.open_index(real.folder), count), np.arange(1, count + 1, dtype=np.uint64)

        began = time.perf_counter()
        made = Vectors.empty(vectors.shape[1])
        for start in range(0, count, _PART):
            made.add(keys[start : start + _PART], vectors[start : start + _PART])
        made.save(root / "made")
        built = time.perf_counter() - began
        about = _write(root / "index", root / "run", made, keys)
        size = (root / "index" / about.vectors.name).stat().st_size
        del made

        encode = mlilt.load(root / "run").encode_query
        encode(captions[0])
        before = psutil.Process().memory_info().rss
        opened = search.open_index(root / "index")
        queries = np.stack([encode(caption) for caption in captions])
        exact = _exact(vectors, queries)
        found, delays = _asked(captions, encode, lambda q: [int(h.image_id, 16) - 1 for h in opened.nearest(q, TOP)])
        mapped = psutil.Process().memory_info().rss - before
        _, encoding = _asked(captions, encode, lambda query: ())
        lines = [_line("mlilt (lists, mapped)", found, exact, delays, built, size)]

        found, delays = _asked(captions, encode, partial(_nearest, vectors))
        lines.append(_line("NumPy, all compared, float32", found, exact, delays, None, vectors.nbytes))

        find, took, bytes_ = _faiss(vectors, root)
        found, delays = _asked(captions, encode, find)
        lines.append(_line("faiss HNSW, float32", found, exact, delays, took, bytes_))
        print(
            f"{count:,} vectors. Encoding a query takes {np.median(encoding):.1f} ms of its delay; the mapped index "
            f"adds {mapped / 1e9:.2f} GB to the process after all queries, its table of pictures among them.\n"
        )
        show(("", "p50, ms", "p99, ms", f"recall@{TOP}", "build, s", "size, GB"), lines)
        del vectors, find
        print()
        _load(root / "index", captions)


def _captions(folder: Path) -> list[str]:
    rows = [row for split in ("test", "validation") for row in data.read_rows(folder, split)]
    return list(dict.fromkeys(caption for row in rows for caption in (*row.captions, *row.keywords)))[:QUERIES]


def _generated(index: search.SearchIndex, count: int) -> Array:
    real = np.stack([index.vector(hit.image_id) for hit in index.search("mbwa", top=len(index))])
    random = np.random.default_rng(0)
    out = np.empty((count, real.shape[1]), np.float32)
    spread = np.sqrt(1 / COSINE**2 - 1) / np.sqrt(real.shape[1])
    for start in range(0, count, _PART):
        part = out[start : start + _PART]
        part[:] = real[random.integers(len(real), size=len(part))]
        part += spread * random.standard_normal(part.shape, np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return out


def _write(folder: Path, run_: Path, vectors: Vectors, keys: NDArray[np.uint64]) -> store.About:
    folder.mkdir()
    about = record.read(run_)
    rows = [Row(Item(f"{key // 1000:04d}/{key:07d}.jpg", Stamp(1, 1, 1), f"{key:016x}")) for key in keys.tolist()]
    return store.write(
        folder,
        vectors,
        rows,
        changed="2026-01-01T00:00:00+00:00",
        run=store.beside(folder, run_),
        weights_sha256=about.weights_sha256,
        name=about.name,
        languages=about.config.languages,
        kind="folder",
        pictures=".",
    )


def _nearest(vectors: Array, query: Array) -> list[int]:
    scores = vectors @ query
    best = np.argpartition(scores, -TOP)[-TOP:]
    return [int(place) for place in best[np.argsort(-scores[best])]]


def _exact(vectors: Array, queries: Array) -> list[set[int]]:
    return [set(_nearest(vectors, query)) for query in queries]


def _asked(captions: Sequence[str], encode: Callable[[str], Array], find: Find) -> tuple[list[list[int]], list[float]]:
    found, delays = [], []
    for caption in captions:
        began = time.perf_counter()
        hits = list(find(encode(caption)))
        delays.append(1e3 * (time.perf_counter() - began))
        found.append(hits)
    return found, delays


def _faiss(vectors: Array, root: Path) -> tuple[Find, float, int]:
    """faiss's graph with the same numbers of edges and candidates."""
    import faiss

    began = time.perf_counter()
    index = faiss.IndexHNSWFlat(vectors.shape[1], 24, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 128
    index.hnsw.efSearch = 192
    index.add(vectors)
    built = time.perf_counter() - began
    faiss.write_index(index, str(root / "faiss"))

    def find(query: Array) -> Sequence[int]:
        return [int(place) for place in index.search(query[None], TOP)[1][0]]

    return find, built, (root / "faiss").stat().st_size


def _line(
    name: str, found: list[list[int]], exact: list[set[int]], delays: list[float], built: float | None, size: int
) -> tuple[str, ...]:
    recall = np.mean([len(set(mine) & best) / len(best) for mine, best in zip(found, exact, strict=True)])
    return (
        name,
        f"{np.median(delays):.1f}",
        f"{np.percentile(delays, 99):.1f}",
        f"{recall:.4f}",
        "–" if built is None else f"{built:.0f}",
        f"{size / 1e9:.2f}",
    )


def _load(index: Path, captions: Sequence[str]) -> None:
    """A server's requests a second and delays."""
    command = [sys.executable, "-m", "mlilt", "serve", str(index), "--port", "0", "--offline"]
    server = psutil.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().split()[1]
        lines = []
        for clients in CLIENTS:
            delays = asyncio.run(_clients(address, captions, clients))
            lines.append(
                (
                    str(clients),
                    f"{len(delays) / LOAD_S:.0f}",
                    f"{np.median(delays):.1f}",
                    f"{np.percentile(delays, 99):.1f}",
                    f"{memory(server) / 1e9:.2f}",
                )
            )
        show(("clients", "requests/s", "p50, ms", "p99, ms", "server's memory, GB"), lines)
    finally:
        server.terminate()
        server.wait()


async def _clients(address: str, captions: Sequence[str], count: int) -> list[float]:
    """Each asks one query after the other for a while; milliseconds of all."""
    parts = urlsplit(address)
    delays: list[float] = []
    end = time.perf_counter() + LOAD_S

    async def one(place: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while (began := time.perf_counter()) < end:
            place = (place + 7) % len(captions)
            asked = f"GET /api/search?top={TOP}&q={quote(captions[place])} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            writer.write(asked.encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            body = await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
            if len(json.loads(body)["hits"]) != TOP:
                raise RuntimeError(body.decode())
            delays.append(1e3 * (time.perf_counter() - began))
        writer.close()

    await asyncio.gather(*(one(37 * n) for n in range(count)))
    return delays
