"""A preparation in pieces: killed, shared out among machines, in one process or several, it comes to the same bytes."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from data_prep import logs, pieces, shards, workers
from data_prep.errors import UserError
from data_prep.languages import load_language
from data_prep.pipeline import prepare, read_manifest
from data_prep.records import DropLog, Example

# Pieces of few examples, and files of few rows, so that a small data set has many of both.
SCRIPT = """
import sys, time
from data_prep import contact_sheet, pieces, pipeline, shards
from data_prep.pipeline import Machine
pieces.SIZE, shards.FILE_ROWS = 8, 20
out, source, workers, moment, machine = sys.argv[1:]
if moment == "writing":
    contact_sheet.draw = lambda *_, **__: time.sleep(600)
share = Machine(*map(int, machine.split("/"))) if machine else None
pipeline.prepare("sw", [source], out=out, workers=int(workers), machine=share, offline=True, progress=False)
"""


def start(out: Path, source: str, workers: int = 1, moment: str = "", machine: str = "") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, str(out), source, str(workers), moment, machine]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def finish(*processes: subprocess.Popen[bytes]) -> None:
    assert [process.wait(timeout=300) for process in processes] == [0] * len(processes)


@pytest.fixture
def own(tmp_path: Path, make_picture: Callable[..., bytes]) -> str:
    """The user's own pictures: 120 of as many colours, each with a caption, two of them damaged."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for n in range(120):
        picture = make_picture((2 * n, (37 * n) % 256, 255 - n), (300 + n, 200))
        (folder / f"{n:03d}.png").write_bytes(picture if n % 60 != 7 else picture[:50])
        (folder / f"{n:03d}.txt").write_text(f"picha ya rangi namba {n}", encoding="utf-8")
    return f"folder:{folder}"


def contents(folder: Path, digests: Callable[[Path], dict[str, str]]) -> dict[str, str]:
    """Digests of a data set's files, with the recipe (it holds the folder's own path) left to itself."""
    return {name: digest for name, digest in digests(folder).items() if name != "mlilt.json"}


def done(folder: Path, stage: str) -> dict[str, int]:
    """Finished files of a stage of a preparation under way, with the time each was made."""
    return {p.name: p.stat().st_mtime_ns for p in folder.parent.glob(f".{folder.name}@*/{stage}/*.parquet")}


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    for _ in range(6000):
        if condition():
            return
        assert process.poll() is None
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def test_one_process_and_several_come_to_the_same_bytes(own, tmp_path, digests):
    finish(start(tmp_path / "one", own), start(tmp_path / "three", own, workers=3))
    assert contents(tmp_path / "one", digests) == contents(tmp_path / "three", digests)
    manifest = read_manifest(tmp_path / "one")
    assert sum(manifest["pictures"].values()) == 118
    assert manifest["dropped"] == {"folder: the picture is damaged or cut short": 2}
    assert len(list((tmp_path / "one" / "data").glob("train-*.parquet"))) >= 4
    assert manifest["digest"] == read_manifest(tmp_path / "three")["digest"]


@pytest.mark.parametrize("count", [1, 2])
def test_a_killed_preparation_goes_on_where_it_was_and_comes_to_the_same_bytes(own, tmp_path, digests, count):
    finish(start(tmp_path / "whole", own))
    out = tmp_path / "killed"
    for least in (2, 7):
        process = start(out, own, workers=count)
        wait_for(lambda least=least: len(done(out, "done")) >= least, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists()
    before = done(out, "done")
    stopped = start(out, own, moment="writing")
    wait_for(lambda: len(done(out, "data set/data")) >= 7, stopped)
    stopped.send_signal(signal.SIGKILL)
    stopped.wait()
    after = done(out, "done")
    # Worker processes of the first ones may have ended a piece after their parent was killed.
    assert before.items() <= after.items()
    assert len(after) == 15
    finish(start(out, own))
    assert contents(out, digests) == contents(tmp_path / "whole", digests)
    assert list(tmp_path.glob(".killed@*")) == []


def test_machines_that_share_a_folder_come_to_the_same_bytes_as_one(own, tmp_path, digests):
    pytest.importorskip("datatrove", reason="datatrove is not installed")
    finish(start(tmp_path / "one", own))
    out = tmp_path / "two"
    finish(start(out, own, machine="1/2"), start(out, own, workers=2, machine="2/2"))
    made = done(out, "done")
    assert len(made) == 15
    assert not out.exists()
    # A share that is done already is left alone.
    finish(start(out, own, machine="1/2"))
    assert done(out, "done") == made
    finish(start(out, own))
    assert contents(out, digests) == contents(tmp_path / "one", digests)


def test_a_worker_that_dies_is_named_with_the_remedy():
    said = r"A worker process died[^|]*run the same command again, with fewer --workers"
    with pytest.raises(UserError, match=said), workers.processes(2) as run:
        list(run(die, [()]))


def test_what_a_worker_raises_reaches_the_user(tmp_path):
    with pytest.raises(UserError, match=r"^sw has a fault$"), workers.processes(2) as run:
        list(run(fail, [("sw has a fault",)]))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(text: str) -> None:
    raise UserError(text)


def test_calls_are_run_in_this_process_where_one_is_asked_for():
    with workers.processes(1) as run:
        assert list(run(os.getpid, [(), ()])) == [os.getpid()] * 2
    with workers.processes(2) as run:
        assert os.getpid() not in set(run(os.getpid, [()] * 8))


@given(st.lists(st.lists(st.integers(0, 40), max_size=6), max_size=6), st.data())
def test_files_hold_all_rows_in_their_order_within_the_limits(sizes, data):
    starts = [sum(map(len, sizes[:n])) for n in range(len(sizes))]
    flat = [size for piece in sizes for size in piece]
    places = [n for n in range(len(flat)) if data.draw(st.booleans())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "FILE_BYTES", 60)
        patch.setattr(shards, "FILE_ROWS", 5)
        found = shards.cut("train", places, list(zip(starts, sizes, strict=True)), dict.fromkeys((0, 3), ("odd",)))
    rows = [[starts[piece] + n for piece, wanted in shard.parts for n in wanted] for shard in found]
    assert [n for file in rows for n in file] == places
    assert all(len(file) <= 5 and (len(file) == 1 or sum(flat[n] for n in file) <= 60) for file in rows)
    assert [shard.name for shard in found] == [f"train-{n:05d}-of-{len(found):05d}.parquet" for n in range(len(found))]
    assert [set(shard.flags) for shard in found] == [{0, 3} & set(file) for file in rows]
    # No two neighbours would have fitted into one.
    for one, other in itertools.pairwise(rows):
        assert len(one) == 5 or sum(flat[n] for n in [*one, other[0]]) > 60


def test_a_picture_that_many_sets_share_is_stored_once_and_each_set_reads_it(own, tmp_path):
    from mlilt import data

    inside = prepare("sw", [own], out=tmp_path / "inside", offline=True, progress=False)
    for name in ("a", "b"):
        prepare("sw", [own], out=tmp_path / name, images=tmp_path / "images", offline=True, progress=False)
    stored = list((tmp_path / "images").rglob("*.png"))
    assert len(stored) == 118
    for split in data.SPLITS:
        expected = list(data.read_pictures(inside.folder, split))
        assert list(data.read_pictures(tmp_path / "a", split)) == expected
        assert list(data.read_pictures(tmp_path / "b", split)) == expected
    # Moved together they still are whole.
    (tmp_path / "elsewhere").mkdir()
    for name in ("a", "images"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    assert len(list(data.read_pictures(tmp_path / "elsewhere" / "a", "train"))) == inside.pictures["train"]


def test_a_machine_at_work_keeps_others_from_its_folder(own, tmp_path):
    pytest.importorskip("datatrove", reason="datatrove is not installed")
    out = tmp_path / "busy"
    finish(start(out, own, machine="1/2"))
    (folder,) = tmp_path.glob(".busy@*")
    with FileLock(folder / "machine-2-of-2.lock"):
        for options in ({}, {"limit": 3}):
            with pytest.raises(UserError, match=r"machine-2-of-2 is still doing its share in [^|]*Wait for it"):
                prepare("sw", [own], out=out, offline=True, progress=False, **options)
        assert folder.is_dir()
    prepare("sw", [own], out=out, offline=True, progress=False)
    assert not folder.exists()


def test_what_a_source_says_last_is_kept_where_its_examples_fill_their_pieces(tmp_path):
    work = pieces.Work(tmp_path / "work", load_language("sw"), (), (), {}, None)
    log = DropLog()

    def examples():
        for n in range(2 * pieces.SIZE):
            yield Example(b"", ("mbwa",), f"c{n}", "s", "", "")
        log.note("the end")
        log.change("things", 2)

    assert pieces.gather(work, examples(), log) == 3
    read = DropLog()
    for n in range(3):
        list(logs.read(work.log("gathered", n), read))
    assert (read.notes, dict(read.changes)) == (["the end"], {"things": 2})
