"""Preparing 1,000, 10,000 and 100,000 generated photographs: time, rate and the most memory all its processes take.

The pictures lie in WebDataset shards, 320 x 240 pixels each, as JPEG; every tenth is a JPEG of a lower quality of the
one before. Memory is what the processes have to themselves and their part of what they share (PSS), summed up.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks._memory import memory
from benchmarks._table import show

SIZES = (1_000, 10_000, 100_000)
A_SHARD = 5_000
WATCH_S = 0.2


def generate(folder: Path, count: int) -> None:
    """Writes `count` pictures with captions as shards."""
    random = np.random.default_rng(0)
    picture = b""
    for first in range(0, count, A_SHARD):
        with tarfile.open(folder / f"shard-{first // A_SHARD:04d}.tar", "w") as tar:
            for n in range(first, min(first + A_SHARD, count)):
                coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
                image = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
                if n % 10 == 9:
                    image = Image.open(io.BytesIO(picture))
                out = io.BytesIO()
                image.save(out, "JPEG", quality=60 if n % 10 == 9 else 90)
                picture = out.getvalue()
                for suffix, data in (("jpg", picture), ("txt", f"picha ya rangi namba {n}".encode())):
                    member = tarfile.TarInfo(f"{n:07d}.{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))


def run(sizes: tuple[int, ...] = SIZES) -> None:
    """Prints a line for each size."""
    lines = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            generate(root, count)
            place = f"wds:{root}/shard-*.tar"
            command = [sys.executable, "-m", "mlilt", "prep", "--lang", "sw", "--source", place]
            started = time.perf_counter()
            process = psutil.Popen(
                [*command, "--out", str(root / "sw")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            most = alone = 0
            while process.poll() is None:
                most = max(most, memory(process))
                alone = max(alone, process.memory_info().rss)
                time.sleep(WATCH_S)
            seconds = time.perf_counter() - started
            if process.returncode:
                raise RuntimeError(f"prep of {count} pictures ended with {process.returncode}")
            size = sum(p.stat().st_size for p in (root / "sw").rglob("*") if p.is_file())
            lines.append(
                (
                    f"{count:,}",
                    f"{seconds:.0f}",
                    f"{count / seconds:.0f}",
                    f"{most / 1e9:.2f}",
                    f"{alone / 1e9:.2f}",
                    f"{size / 1e6:.0f}",
                )
            )
    show(("pictures", "seconds", "pictures/s", "peak memory, GB", "of it the first process", "data set, MB"), lines)
