"""Indexes made, brought up to date, and refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

import mlilt
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import record, search
from mlilt.config import RunConfig
from mlilt.search import store
from mlilt.training import loop


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "index"


def build(run: Path, pictures: Path, out: Path, **more: object) -> search.Built:
    return search.build(run, pictures, out, progress=False, **more)  # type: ignore[arg-type]


def vectors(out: Path) -> dict[str, np.ndarray]:
    """Names with their vectors, as they are on disk."""
    opened = search.open_index(out)
    about = store.read_about(out)
    rows = store.Rows(store.check(out, about.table))
    return {row.item.name: opened.vector(row.item.image_id) for row in rows if not row.problem}


def test_every_picture_is_there_as_the_model_encodes_it(real: Path, files: Path, out: Path) -> None:
    built = build(real, files, out)
    paths = sorted(files.rglob("[0-9].png"))
    assert sorted(built.added) == sorted(path.relative_to(files).as_posix() for path in paths)
    assert (built.changed, built.removed, built.broken) == ((), (), ())
    assert (built.about.count, built.about.files, built.about.dim) == (10, 10, 64)
    model = mlilt.load(real)
    found = vectors(out)
    for path in paths:
        mine = found[path.relative_to(files).as_posix()]
        # The vision tower's products are in bfloat16 where that is fast, and vectors in float16.
        assert mine @ model.encode_image([path])[0] > 0.99
    assert {path.name for path in out.iterdir()} == {
        ".lock",
        "index.json",
        built.about.vectors.name,
        built.about.table.name,
    }


def test_nothing_changes_where_nothing_changed(real: Path, files: Path, out: Path) -> None:
    first = build(real, files, out)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir() if path.name != ".lock"}
    again = build(real, files, out)
    assert again.about == first.about
    assert (again.added, again.changed, again.removed, again.encoded) == ((), (), (), 0)
    assert {path: path.stat().st_mtime_ns for path in out.iterdir() if path.name != ".lock"} == before


def test_added_changed_moved_and_removed_files_are_noticed(
    real: Path, files: Path, out: Path, shown: dict[str, bytes]
) -> None:
    build(real, files, out)
    more = list(shown.values())
    (files / "new.png").write_bytes(more[10])
    (files / "4.png").write_bytes(more[11])
    (files / "wanyama" / "3.png").rename(files / "moved.png")
    (files / "0.png").unlink()
    (files / "twice.png").write_bytes((files / "2.png").read_bytes())
    (files / "6.png").touch()
    built = build(real, files, out)
    assert set(built.added) == {"new.png", "moved.png", "twice.png"}
    assert built.changed == ("4.png",)
    assert set(built.removed) == {"0.png", "wanyama/3.png"}
    # Two contents came and two went; what was moved, copied or touched is known by its content.
    assert (built.about.count, built.about.files) == (10, 11)
    whole = out.parent / "whole"
    build(real, files, whole)
    assert vectors(out).keys() == vectors(whole).keys()
    for name, vector in vectors(whole).items():
        np.testing.assert_array_equal(vectors(out)[name], vector)
    hits = search.open_index(out).search_image(files / "2.png", top=11)
    assert hits[0].names == ("2.png", "twice.png")
    assert {hit.image_id for hit in hits} == {hit.image_id for hit in search.open_index(whole).search("mbwa", 11)}


def test_files_that_cannot_be_read_are_listed_and_never_fatal(real: Path, files: Path, out: Path) -> None:
    whole = (files / "0.png").read_bytes()
    (files / "cut.png").write_bytes(whole[: len(whole) // 2])
    (files / "empty.png").write_bytes(b"")
    (files / "page.png").write_bytes(b"<html>not found</html>")
    (files / "phone.heic").write_bytes(b"whatever")
    Image.new("L", (9000, 9000)).save(files / "huge.png")
    built = build(real, files, out)
    assert dict(built.broken) == {
        "cut.png": "the picture is damaged or cut short",
        "empty.png": "the picture file is empty",
        "huge.png": "the picture has more than 64 million pixels",
        "page.png": "the picture is of no known format",
        "phone.heic": "pictures of this kind cannot be read: save it as JPEG or PNG",
    }
    assert (built.about.count, built.about.files, built.about.broken) == (10, 15, 5)
    # They are told again, though not read again, and taken once they are mended.
    assert dict(build(real, files, out).broken) == dict(built.broken)
    Image.new("RGB", (30, 30), "red").save(files / "cut.png")
    mended = build(real, files, out)
    assert mended.changed == ("cut.png",)
    assert "cut.png" not in dict(mended.broken)
    assert mended.about.count == 11


def test_a_name_that_is_not_utf8_is_listed_and_never_fatal(real: Path, files: Path, out: Path) -> None:
    with open(os.fsencode(files) + b"/caf\xe9.png", "wb") as file:  # noqa: PTH123 - pathlib takes no bytes
        file.write((files / "0.png").read_bytes())
    for _ in range(2):
        built = build(real, files, out)
        assert dict(built.broken) == {"caf\\xe9.png": "its name is not UTF-8: rename it"}
        assert built.about.count == 10


def test_a_file_that_could_not_be_read_is_tried_again(
    real: Path, files: Path, out: Path, shown: dict[str, bytes]
) -> None:
    (files / "later.png").symlink_to(files.parent / "later.png")
    assert "cannot be read" in dict(build(real, files, out).broken)["later.png"]
    (files.parent / "later.png").write_bytes(list(shown.values())[10])
    built = build(real, files, out)
    assert (built.broken, built.about.count) == ((), 11)


def test_a_file_that_gets_damaged_goes_out(real: Path, files: Path, out: Path) -> None:
    build(real, files, out)
    (files / "2.png").write_bytes(b"gone")
    built = build(real, files, out)
    assert dict(built.broken) == {"2.png": "the picture is of no known format"}
    assert built.about.count == 9
    assert "2.png" not in {name for hit in search.open_index(out).search("mbwa", 20) for name in hit.names}


def test_a_run_that_was_trained_again_makes_all_vectors_anew(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tiny_eyes: dict[str, str], files: Path, tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "index"
    config = settings(text=tiny["mbert"], vision=tiny_eyes["vit"], vision_strategy="layernorm", epochs=1)
    loop.train(config, out=run, progress=False)
    build(run, files, out)
    before = vectors(out)
    loop.train(config.model_copy(update={"seed": 1}), out=run, force=True, progress=False)
    with pytest.raises(UserError, match=r"was trained again after .* was made. Bring the index up to date"):
        search.open_index(out).search("mbwa")
    built = build(run, files, out)
    assert (built.added, built.changed, built.removed) == ((), (), ())
    assert built.encoded == 10
    assert built.about.weights_sha256 == record.read(run).weights_sha256
    after = vectors(out)
    assert all(not np.allclose(after[name], before[name], atol=0.01) for name in before)
    # The vision tower trained: its features are those of this run.
    model = mlilt.load(run)
    assert after["0.png"] @ model.encode_image([files / "0.png"])[0] > 0.99


def test_an_index_of_something_else_is_not_replaced_unasked(
    real: Path, files: Path, small_sw: Prepared, out: Path, tmp_path: Path
) -> None:
    build(real, files, out)
    others = tmp_path / "others"
    shutil.copytree(files, others)
    with pytest.raises(UserError, match=r"is an index of other pictures .* --force"):
        build(real, others, out)
    assert build(real, others, out, force=True).about.count == 10
    copied = tmp_path / "copied"
    shutil.copytree(real, copied)
    with pytest.raises(UserError, match=r"is an index of other run "):
        build(copied, others, out)
    build(real, small_sw.folder, out, splits=["test"], force=True)
    with pytest.raises(UserError, match="is an index of the splits test"):
        build(real, small_sw.folder, out, splits=["validation"])


def test_what_cannot_be_indexed_leaves_all_as_it_is(real: Path, files: Path, tmp_path: Path, out: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    with pytest.raises(UserError, match="There is no picture in"):
        build(real, nothing, out)
    (nothing / "a.png").write_bytes(b"none")
    with pytest.raises(UserError, match=r"None of 1 files in .* can be read: a.png: the picture is of no known format"):
        build(real, nothing, out)
    # What such a build leaves is no hindrance to the next one.
    build(real, files, out)
    for mine in (files, tmp_path / "web"):
        (tmp_path / "web").mkdir(exist_ok=True)
        (tmp_path / "web" / "index.json").write_text("{}")
        (tmp_path / "web" / "page.html").write_text("mine")
        with pytest.raises(UserError, match="is there already and is no index"):
            build(real, files, mine, force=True)
    with pytest.raises(UserError, match="holds no run"):
        build(nothing, files, tmp_path / "x")


def test_two_processes_do_not_make_one_index(real: Path, files: Path, out: Path) -> None:
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(UserError, match="Another process is making"):
        build(real, files, out)


@pytest.mark.parametrize("part", ["vectors", "table"])
def test_a_damaged_index_is_noticed_and_made_again(real: Path, files: Path, out: Path, part: str) -> None:
    built = build(real, files, out)
    path = out / getattr(built.about, part).name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for call in (lambda: search.open_index(out), lambda: build(real, files, out)):
        with pytest.raises(UserError, match=r"is not what was written. Make the index again: `mlilt index --force`"):
            call()
    again = build(real, files, out, force=True)
    assert again.encoded == 0
    assert len(search.open_index(out)) == 10
    path = out / getattr(again.about, part).name
    path.unlink()
    with pytest.raises(UserError, match=r"cannot be read: .* Make the index again: `mlilt index --force`"):
        search.open_index(out)


def test_a_damaged_description_is_noticed(real: Path, files: Path, out: Path) -> None:
    build(real, files, out)
    about = json.loads((out / "index.json").read_text())
    for text in ("{", json.dumps({**about, "more": 1}), json.dumps({**about, "format": 9})):
        (out / "index.json").write_text(text)
        with pytest.raises(UserError, match="is damaged, or of another version of mlilt"):
            search.open_index(out)
    (out / "index.json").write_text(json.dumps({**about, "table": {"name": "../../etc/passwd", "sha256": "0"}}))
    with pytest.raises(UserError, match="is damaged"):
        search.open_index(out)


def test_a_killed_build_goes_on_and_leaves_the_old_index_whole(
    real: Path, files: Path, out: Path, shown: dict[str, bytes]
) -> None:
    build(real, files, out)
    for place, picture in enumerate(list(shown.values())[10:]):
        (files / f"more-{place}.png").write_bytes(picture)
    command = [sys.executable, "-m", "mlilt", "index", str(real), str(files), "--out", str(out), "--offline"]
    for moment in (0.5, 3.0, 6.0):
        process = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(search.open_index(out)) in (10, len(shown))
    build(real, files, out)
    assert len(search.open_index(out)) == len(shown)
    assert len(list(out.glob("vectors-*.safetensors"))) == 1
