from __future__ import annotations

import hashlib
import warnings

from data_prep.steps import pictures as step


def test_pictures_are_decoded_in_order_and_named_by_their_digest_and_bad_ones_say_why(
    example, run, make_picture, tmp_path
):
    good = make_picture("green")
    (tmp_path / "green.png").write_bytes(good)
    (tmp_path / "cut.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    names = ("green.png", "cut.png", "empty.png", "green.png", "none.png")
    examples = [example(picture=tmp_path / name, variant=f"{i}-{name}") for i, name in enumerate(names)]
    passed, drops, _ = run(step, *examples)
    assert [e.variant for e in passed] == ["0-green.png", "3-green.png"]
    assert isinstance(passed[0].picture, bytes)
    assert passed[0].image_id == passed[1].image_id == hashlib.sha256(passed[0].picture).hexdigest()[:16]
    assert drops == [
        ("dog/1-cut.png", "the picture is damaged or cut short"),
        ("dog/2-empty.png", "the picture file is empty"),
        ("dog/4-none.png", "the picture cannot be read: No such file or directory"),
    ]


def test_order_holds_over_many_pictures_and_the_process_keeps_its_warning_filters(example, run, make_picture):
    examples = [example(picture=make_picture((i % 256, i // 256, 0), (8, 8)), variant=str(i)) for i in range(600)]
    before = list(warnings.filters)
    passed, _, _ = run(step, *examples)
    assert [e.variant for e in passed] == [str(i) for i in range(600)]
    assert list(warnings.filters) == before
