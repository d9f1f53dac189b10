from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from data_prep.carriers import fetch
from data_prep.languages import load_language
from data_prep.pictures import canonical, decode
from data_prep.pipeline import load_source
from data_prep.records import DropLog
from data_prep.steps.near_duplicates import NearDuplicates, candidates


@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_pairs_of_near_hashes_are_those_that_comparing_all_finds(seed, bits):
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 256, (60, 8), dtype=np.uint8)
    for n in range(30):
        # Half of them are others with some bits turned.
        words = np.unpackbits(hashes[n])
        words[random.choice(64, random.integers(0, 14), replace=False)] ^= 1
        hashes[30 + n] = np.packbits(words)
    ones, others = np.arange(0, 40), np.arange(20, 60)
    found = {(a, b) for x, y in candidates(hashes, ones, others, bits) for a, b in zip(x, y, strict=True)}
    apart = [[int(np.unpackbits(hashes[a] ^ hashes[b]).sum()) for b in others] for a in ones]
    assert found == {(a, b) for a in ones for b in others if apart[a - ones[0]][b - others[0]] <= bits}


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    """Real photographs of the stamps: the larger ones that are opaque nearly everywhere."""
    source = load_source("tuxpaint")
    files = {r.name: fetch(r, progress=False) for r in source.about.resources}
    pictures = [e.picture for e in source.examples("en", files, DropLog()) if str(e.picture).endswith(".png")]
    return [decode(p) for p in sorted(pictures, key=lambda p: -p.stat().st_size)[:60]]


CHANGES = {
    "saved as JPEG": lambda image: decode(encoded(image, "JPEG", quality=40)),
    "half as large": lambda image: image.resize((image.width // 2, image.height // 2)),
    "a little blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "a little brighter": lambda image: image.point(lambda value: min(255, value + 4)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_photograph_is_known_again_when_it_was_changed_a_little(photographs, rows_of, example, change):
    changed = [CHANGES[change](image) for image in photographs]
    tests = [example(picture=encoded(p), concept=f"p{n}", split="test") for n, p in enumerate(photographs)]
    trained = [example(picture=encoded(p), concept=f"q{n}", split="train") for n, p in enumerate(changed)]
    rows, log = rows_of([*tests, *trained]), DropLog()
    NearDuplicates().judge(rows, load_language("sw"), log)
    gone = {d.item for d in log.drops}
    assert all(rows.kept[: len(tests)])
    assert len(gone) >= 0.95 * len(trained)


def test_the_hash_is_that_of_the_library(photographs):
    look = canonical(encoded(photographs[0])).look
    small = photographs[0].copy()
    small.thumbnail((512, 512), Image.Resampling.LANCZOS)
    small = small.resize((64, 64), Image.Resampling.BOX, reducing_gap=2.0)
    assert look[:8] == np.packbits(imagehash.phash(small).hash).tobytes()
    assert len(look) == 200


def test_pictures_of_other_colours_or_of_other_forms_are_not_alike(example, rows_of, make_picture):
    disc = Image.new("L", (64, 64))
    disc.putdata([255 * ((n % 64 - 32) ** 2 + (n // 64 - 32) ** 2 < 500) for n in range(64 * 64)])
    drawn = [Image.merge("RGB", [disc if c in on else disc.point(lambda _: 0) for c in "rgb"]) for on in ("r", "b")]
    rows = rows_of(
        [
            example(picture=encoded(drawn[0]), concept="a", split="test"),
            example(picture=encoded(drawn[1]), concept="b", split="train"),
            example(picture=encoded(drawn[0].rotate(45).crop((0, 0, 40, 40))), concept="c", split="train"),
        ]
    )
    NearDuplicates().judge(rows, load_language("sw"), DropLog())
    assert rows.kept.all()


def test_look_alikes_leave_train_for_validation_and_both_for_test_and_stay_within_a_split(
    rows_of, example, photographs
):
    data = encoded(photographs[0])
    splits = ["train", "validation", "train", "test", "validation"]
    examples = [example(picture=data, concept=f"c{n}", split=s) for n, s in enumerate(splits)]

    def judged(step: NearDuplicates, *chosen: int) -> tuple[list[int], list[tuple[str, str]]]:
        rows, log = rows_of([examples[n] for n in chosen]), DropLog()
        step.judge(rows, load_language("sw"), log)
        return [chosen[n] for n in rows.still()], [(d.item, d.reason) for d in log.drops]

    assert judged(NearDuplicates(), 0, 1, 2) == (
        [1],
        [(f"c{n} (like c1)", "it looks like a validation picture") for n in (0, 2)],
    )
    assert judged(NearDuplicates(), 0, 1, 2, 3, 4)[0] == [3]
    assert judged(NearDuplicates(), 0, 2)[0] == [0, 2]
    assert judged(NearDuplicates(within=True), 0, 2) == ([0], [("c2 (like c0)", "it looks like another picture")])


def test_within_a_split_the_first_that_stays_keeps_the_others_out(rows_of, example, photographs):
    data = encoded(photographs[0])
    rows = rows_of([example(picture=data, concept=c, split="train", captions=x) for c, x in
                    (("a", ()), ("b", ("x",)), ("b", ("y",)), ("c", ("z",)))])  # fmt: skip
    log = DropLog()
    NearDuplicates(within=True).judge(rows, load_language("sw"), log)
    assert list(rows.still()) == [1, 2]
    assert [d.item for d in log.drops] == ["c (like b)"]


def test_a_test_picture_without_a_caption_in_this_language_keeps_its_look_alikes_out_too(rows_of, example, photographs):
    data = encoded(photographs[0])
    silent = example(picture=data, concept="concept-9", captions=(), split="test")
    rows = rows_of([silent, example(picture=data, concept="c", split="train")])
    NearDuplicates().judge(rows, load_language("sw"), DropLog())
    assert not rows.kept.any()
