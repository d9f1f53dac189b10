from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import pytest
from PIL import Image

from data_prep.pictures import Canonical, PictureError
from data_prep.steps.pictures import Pictures
from data_prep.store import Store, relative


@pytest.mark.parametrize("threads", [1, 3])
def test_pictures_are_decoded_in_order_and_named_by_their_digest_and_bad_ones_say_why(threads, make_picture, tmp_path):
    good = make_picture("green")
    (tmp_path / "green.png").write_bytes(good)
    (tmp_path / "cut.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    pictures = [tmp_path / name for name in ("green.png", "cut.png", "empty.png", "green.png", "none.png")]
    found = Pictures().decode(pictures, threads=threads)
    assert [str(d.found) for d in found if isinstance(d.found, PictureError)] == [
        "the picture is damaged or cut short",
        "the picture file is empty",
        "the picture cannot be read: No such file or directory",
    ]
    assert [d.raw for d in found] == [
        hashlib.sha256(p.read_bytes()).digest()[:16] if p.exists() and p.stat().st_size else b"" for p in pictures
    ]
    first, again = found[0].found, found[3].found
    assert isinstance(first, Canonical)
    assert first == again
    assert first.image_id == hashlib.sha256(first.data).hexdigest()[:16]


def test_order_holds_over_many_pictures_and_the_process_keeps_its_warning_filters(make_picture):
    pictures = [make_picture((i % 256, i // 256, 0), (8, 8)) for i in range(600)]
    before = list(warnings.filters)
    found = Pictures().decode(pictures, threads=4)
    assert [d.raw for d in found] == [hashlib.sha256(p).digest()[:16] for p in pictures]
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    ("options", "size", "said"),
    [
        ({}, (7, 90), "the picture is smaller than 8 pixels"),
        ({"min_side": 100}, (99, 200), "the picture is smaller than 100 pixels"),
        ({}, (10, 81), "the picture is more than 8 times as long as wide"),
        ({"max_aspect": 2.5}, (51, 20), "the picture is more than 2.5 times as long as wide"),
    ],
)
def test_limits_of_size_and_aspect_are_told(options, size, said, make_picture):
    (found,) = Pictures(**options).decode([make_picture("red", size)])
    assert str(found.found) == said


def test_what_was_compressed_with_losses_stays_so_and_loses_its_metadata(make_picture):
    photograph = Image.effect_noise((700, 300), 60).convert("RGB")
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    photograph.save(out, "JPEG", exif=exif)
    lossy, lossless = (d.found for d in Pictures(max_side=350).decode([out.getvalue(), make_picture()]))
    assert isinstance(lossy, Canonical)
    assert isinstance(lossless, Canonical)
    assert (lossy.suffix, lossless.suffix) == ("jpg", "png")
    opened = Image.open(io.BytesIO(lossy.data))
    assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (350, 150))
    assert b"secret" in out.getvalue()
    assert b"secret" not in lossy.data


def test_a_store_decodes_each_picture_once_and_remembers_what_cannot_be(make_picture, tmp_path, monkeypatch):
    pictures = [make_picture("red"), b"no picture", make_picture("blue")]
    store = Store(tmp_path / "images")
    plain = Pictures().decode(pictures)
    first = Pictures().decode(pictures, store)
    assert [d.raw for d in first] == [d.raw for d in plain]
    for outcome in (plain[0].found, plain[2].found):
        assert isinstance(outcome, Canonical)
        path = store.folder / relative(outcome.image_id, outcome.suffix)
        assert path.read_bytes() == outcome.data
    monkeypatch.setattr("data_prep.steps.pictures.canonical", None)
    again = Pictures().decode(pictures, Store(tmp_path / "images"))
    assert [getattr(d.found, "image_id", str(d.found)) for d in again] == [
        getattr(d.found, "image_id", str(d.found)) for d in plain
    ]
    assert [getattr(d.found, "look", b"") for d in again] == [getattr(d.found, "look", b"") for d in plain]
    monkeypatch.undo()
    for path in store.folder.rglob("*.png"):
        path.unlink()
    Pictures().decode(pictures, store)
    assert len(list(store.folder.rglob("*.png"))) == 2


def test_other_limits_are_decoded_anew(make_picture, tmp_path):
    store = Store(Path(tmp_path))
    small, large = (Pictures(max_side=s).decode([make_picture(size=(64, 64))], store)[0].found for s in (16, 32))
    assert isinstance(small, Canonical)
    assert isinstance(large, Canonical)
    assert small.image_id != large.image_id
