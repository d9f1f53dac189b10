"""The feature cache: appended by several processes, killed in between, read back."""

from __future__ import annotations

import importlib.metadata
import io
import itertools
import json
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from filelock import FileLock, Timeout
from PIL import Image

from data_prep.errors import UserError
from data_prep.pictures import PictureError
from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.towers.vision import VisionTower
from mlilt.training import features
from mlilt.training.features import FeatureStore, encode, ensure, meanwhile, store_for

CPU = torch.device("cpu")


def rows(*numbers: int) -> torch.Tensor:
    """Features that say whose they are, exact in float16."""
    return torch.tensor([[n, n + 0.5, -n] for n in numbers], dtype=torch.float32)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path, 3)


def test_what_is_appended_is_read_back_in_any_order(store: FeatureStore) -> None:
    assert store.place() == {}
    store.append(["a", "b"], rows(1, 2))
    store.append(["c"], rows(3))
    assert store.place() == {"a": 0, "b": 1, "c": 2}
    assert torch.equal(store.read(["c", "a", "c"]), rows(3, 1, 3))
    assert store.read([]).shape == (0, 3)


def test_values_are_kept_in_float16(store: FeatureStore) -> None:
    values = torch.randn(4, 3)
    store.append(list("abcd"), values)
    assert torch.equal(store.read(list("abcd")), values.half().float())


def test_features_that_are_not_there_are_an_error_that_says_how_to_get_them(store: FeatureStore) -> None:
    with pytest.raises(UserError, match="Features of 1 pictures are gone"):
        store.read(["a"])
    store.append(["a"], rows(1))
    with pytest.raises(UserError, match=f"Features of 2 pictures are gone from {store.folder}.*--resume"):
        store.read(["b", "a", "c"])


def test_who_computes_is_told_what_is_missing_once_others_are_done(store: FeatureStore) -> None:
    with store.computing("ab") as missing:
        assert missing == {"a", "b"}
        with pytest.raises(Timeout), FileLock(store.folder / ".computing", timeout=0):
            pass
        waiting = ThreadPoolExecutor(1).submit(_missing, store, "abc")
        store.append(["a", "b"], rows(1, 2))
    assert waiting.result(60) == {"c"}
    # All are there: nothing is held.
    with store.computing("ab") as missing, FileLock(store.folder / ".computing", timeout=0):
        assert not missing


def _missing(store: FeatureStore, image_ids: str) -> set[str]:
    with store.computing(image_ids) as missing:
        return missing


def test_ids_that_are_there_already_or_come_twice_are_kept_once(store: FeatureStore) -> None:
    store.append(["a", "b", "b"], rows(1, 2, 2))
    store.append(["b", "c"], rows(9, 3))
    store.append(["d"], rows(4))
    assert store.place() == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert torch.equal(store.read(list("abcd")), rows(1, 2, 3, 4))


@pytest.mark.parametrize(
    ("more_features", "more_ids"),
    [
        (b"\1" * 6, b""),
        (b"\1" * 5, b""),
        (b"\1" * 13, b"c"),
        (b"\1" * 6, b"c %08x\nd 00000000\n" % zlib.crc32(b"c" + b"\1" * 6)),
        (b"", b"c"),
        (b"", b"c 00000000\n"),
    ],
    ids=["whole row", "half a row", "half an id", "more ids than rows", "half an id alone", "an id alone"],
)
def test_the_tail_of_a_killed_process_is_not_read_and_is_cut_off(
    store: FeatureStore, more_features: bytes, more_ids: bytes
) -> None:
    store.append(["a", "b"], rows(1, 2))
    for name, more in (("features.f16", more_features), ("ids.txt", more_ids)):
        with (store.folder / name).open("ab") as file:
            file.write(more)
    whole = {"a", "b"} | ({"c"} if len(more_features) >= 6 and b"\n" in more_ids else set())
    assert set(store.place()) == whole
    store.append(["e", "f"], rows(5, 6))
    assert set(store.place()) == whole | {"e", "f"}
    assert torch.equal(store.read(["a", "b", "e", "f"]), rows(1, 2, 5, 6))
    assert (store.folder / "features.f16").stat().st_size == 6 * len(store.place())


@pytest.mark.parametrize("at", range(0, 18, 3))
def test_a_row_with_a_wrong_byte_is_no_longer_there_and_can_come_anew(store: FeatureStore, at: int) -> None:
    store.append(["a", "b", "c"], rows(1, 2, 3))
    path = store.folder / "features.f16"
    data = bytearray(path.read_bytes())
    data[at] ^= 16
    path.write_bytes(data)
    damaged = "abc"[at // 6]
    opened = FeatureStore(store.folder, 3)
    assert set(opened.place()) == set("abc") - {damaged}
    opened.append([damaged, "d"], rows(7, 4))
    expected = {"a": 1, "b": 2, "c": 3, "d": 4, damaged: 7}
    for each in (opened, FeatureStore(store.folder, 3)):
        assert torch.equal(each.read(list("abcd")), rows(*(expected[i] for i in "abcd")))


APPEND = """
import sys, torch
from pathlib import Path
from mlilt.training.features import FeatureStore
store, first = FeatureStore(Path(sys.argv[1]), 3), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for n in range(first, first + 60, 3):
    numbers = [n, n + 1, n + 2]
    store.append([f"id{k}" for k in numbers], torch.tensor([[k, k + 0.5, -k] for k in numbers], dtype=torch.float32))
"""


def test_processes_that_append_at_once_lose_nothing_and_mix_nothing(store: FeatureStore) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, str(store.folder), str(first)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in (0, 30)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert set(store.place()) == {f"id{n}" for n in range(90)}
    assert torch.equal(store.read([f"id{n}" for n in range(90)]), rows(*range(90)))


FULL_DISK = f"""
import resource, signal, sys, torch
from pathlib import Path
from data_prep.errors import UserError
from mlilt.training.features import FeatureStore
signal.signal({int(signal.SIGXFSZ)}, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    FeatureStore(Path(sys.argv[1]), 3).append([str(n) for n in range(50)], torch.ones(50, 3))
except UserError as error:
    print(error)
"""


def test_a_full_disk_is_an_error_that_names_the_cache_and_loses_nothing(store: FeatureStore) -> None:
    store.append(["a"], rows(1))
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(store.folder)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "feature cache cannot be written" in done.stdout
    assert "MLILT_CACHE" in done.stdout
    store.append(["b"], rows(2))
    assert torch.equal(store.read(["a", "b"]), rows(1, 2))


def test_a_store_is_for_one_tower_preprocessing_and_precision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path))
    base = store_for("ab", "{}", 3, torch.float32)
    assert base.folder.parent == tmp_path / "features"
    assert store_for("ab", "{}", 3, torch.float32).folder == base.folder
    others = [
        store_for("cd", "{}", 3, torch.float32),
        store_for("ab", '{"size": 1}', 3, torch.float32),
        store_for("ab", "{}", 3, torch.bfloat16),
    ]
    assert len({base.folder, *(other.folder for other in others)}) == 4


def test_another_versions_features_are_not_taken_for_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same weights in another OpenVINO end in other last bits."""
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path))
    ours = store_for("ab", "{}", 3, torch.float32)
    real = importlib.metadata.version
    about = json.loads((ours.folder / "about.json").read_text(encoding="utf-8"))
    for name in ("openvino", "torch", "pillow"):
        assert about[name] == real(name)
        with monkeypatch.context() as other:
            other.setattr(importlib.metadata, "version", lambda asked, name=name: "0" if asked == name else real(asked))
            assert store_for("ab", "{}", 3, torch.float32).folder != ours.folder


def test_a_cache_that_cannot_be_made_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"feature cache cannot be written.*MLILT_CACHE"):
        store_for("ab", "{}", 3, torch.float32)


@pytest.fixture(scope="module")
def pictures(small_sw: Prepared) -> list[tuple[str, bytes]]:
    return list(dict(data.read_pictures(small_sw.folder, "test")).items())[:19]


def test_real_pictures_are_computed_once_and_are_the_towers_own_features(
    eyes: VisionTower, pictures: list[tuple[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_APPEND_EVERY", 8)  # several appends of a few pictures
    store = FeatureStore(tmp_path, eyes.width)
    assert ensure(store, eyes, iter(pictures), len(pictures), CPU, torch.float32, progress=False) == len(pictures)
    assert list(store.place()) == [image_id for image_id, _ in pictures]
    found = store.read([image_id for image_id, _ in pictures])
    expected = eyes.encode([picture for _, picture in pictures])
    assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.9999
    torch.testing.assert_close(found, expected, rtol=5e-3, atol=5e-3)


def test_pictures_that_cannot_be_decoded_are_told_and_not_stored(
    eyes: VisionTower, pictures: list[tuple[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_APPEND_EVERY", 8)
    broken = {0: b"none", 7: pictures[7][1][:40], 12: b""}
    given = [(image_id, broken.get(n, picture)) for n, (image_id, picture) in enumerate(pictures)]
    store = FeatureStore(tmp_path, eyes.width)
    told: dict[str, str] = {}
    count = ensure(
        store, eyes, iter(given), len(given), CPU, torch.float32, False, lambda i, error: told.update({i: str(error)})
    )
    assert count == len(pictures)
    assert told.keys() == {pictures[n][0] for n in broken}
    assert told[pictures[12][0]] == "the picture file is empty"
    whole = [(image_id, picture) for n, (image_id, picture) in enumerate(pictures) if n not in broken]
    assert list(store.place()) == [image_id for image_id, _ in whole]
    expected = torch.cat(list(encode(eyes, [picture for _, picture in whole], CPU, torch.float32)))
    assert torch.equal(store.read([image_id for image_id, _ in whole]), expected.half().float())
    with pytest.raises(PictureError, match="no known format"):
        list(encode(eyes, [given[0][1]], CPU, torch.float32))


def test_features_are_computed_beside_what_is_done_meanwhile(
    eyes: VisionTower, pictures: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    store, begun, go_on = FeatureStore(tmp_path, eyes.width), threading.Event(), threading.Event()

    def waiting() -> Iterator[tuple[str, bytes]]:
        begun.set()
        assert go_on.wait(60)
        yield from pictures

    with meanwhile(store, eyes, waiting(), len(pictures), CPU, torch.float32, progress=False):
        assert begun.wait(60)
        assert not store.place()
        go_on.set()
    expected = torch.cat(list(encode(eyes, [picture for _, picture in pictures], CPU, torch.float32)))
    assert torch.equal(store.read([image_id for image_id, _ in pictures]), expected.half().float())


def test_when_what_is_done_meanwhile_fails_no_more_features_are_begun(
    eyes: VisionTower, pictures: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    store, enough, failed = FeatureStore(tmp_path, eyes.width), threading.Event(), threading.Event()
    taken: list[str] = []

    def endless() -> Iterator[tuple[str, bytes]]:
        for number in itertools.count():
            if number == 100:
                enough.set()
            # Beyond what is waiting to be encoded when the error comes there is nothing to take.
            assert number < 100 or failed.wait(60)
            taken.append(f"picture-{number}")
            yield taken[-1], pictures[number % len(pictures)][1]

    def fail() -> None:
        assert enough.wait(60)
        failed.set()
        raise UserError("no such tower")

    with (
        pytest.raises(UserError, match="no such tower"),
        meanwhile(store, eyes, endless(), 10**9, CPU, torch.float32, progress=False),
    ):
        fail()
    # What was begun is done, and stays.
    assert 0 < len(store.place()) <= len(taken)
    assert list(store.place()) == taken[: len(store.place())]


def test_a_picture_that_cannot_be_decoded_is_told_when_all_else_is_done(
    eyes: VisionTower, pictures: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    done = []
    with (
        pytest.raises(PictureError, match="empty"),
        meanwhile(FeatureStore(tmp_path, eyes.width), eyes, [("a", b"")], 1, CPU, torch.float32, progress=False),
    ):
        done.append(True)
    assert done


def test_a_pictures_features_do_not_depend_on_what_it_is_encoded_with(
    eyes: VisionTower, pictures: list[tuple[str, bytes]]
) -> None:
    encoded = [picture for _, picture in pictures]
    together = torch.cat(list(encode(eyes, encoded, CPU, torch.float32)))
    alone = torch.cat(list(encode(eyes, encoded[10:11], CPU, torch.float32)))
    backwards = torch.cat(list(encode(eyes, encoded[::-1], CPU, torch.float32)))
    assert torch.equal(together[10:11], alone)
    assert torch.equal(together, backwards.flip(0))


def test_bf16_features_are_close_to_those_of_fp32(eyes: VisionTower, pictures: list[tuple[str, bytes]]) -> None:
    encoded = [picture for _, picture in pictures][:4]
    (exact,), (fast,) = (list(encode(eyes, encoded, CPU, dtype)) for dtype in (torch.float32, torch.bfloat16))
    assert fast.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(exact, fast).min() > 0.99


def test_a_picture_that_cannot_be_decoded_stops_the_encoding(eyes: VisionTower) -> None:
    out = io.BytesIO()
    Image.effect_noise((20, 20), 50).save(out, "PNG")
    with pytest.raises(PictureError, match="damaged or cut short"):
        list(encode(eyes, [out.getvalue(), out.getvalue()[:60]], CPU, torch.float32))
