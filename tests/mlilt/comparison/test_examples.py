"""Thumbnails of what methods found."""

from __future__ import annotations

import base64
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.comparison import Comparison, examples, results
from mlilt.comparison.examples import Thumbnail
from mlilt.comparison.results import Group


def pixels(thumbnail: Thumbnail) -> Image.Image:
    kind, _, content = thumbnail.uri.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content))).convert("RGBA")


def changed(group: Group, **settings: str) -> Group:
    """The same group with other settings in its runs' records."""
    runs = [
        run._replace(record=run.record.model_copy(update={"config": run.record.config.model_copy(update=settings)}))
        for run in group.runs
    ]
    return dataclasses.replace(group, runs=runs)


def test_each_method_shows_what_its_first_seed_found(
    compared: tuple[Comparison, Path, Path], small_sw: Prepared
) -> None:
    group = compared[0].groups[0]
    shown = examples.gather(group)
    pictures = dict(data.read_pictures(small_sw.folder, "test"))
    captions = {row.image_id: row.captions[0] for row in data.read_rows(small_sw.folder, "test")}
    firsts = {"layernorm": group.members(group.rows[0])[0].record, "full (lit)": group.members(group.rows[1])[0].record}
    assert [about.config.seed for about in firsts.values()] == [0, 0]
    assert len(shown.examples) == len(firsts["full (lit)"].examples["sw"]) > 0
    for place, example in enumerate(shown.examples):
        assert list(example.found) == list(firsts)
        for name, found in example.found.items():
            told = firsts[name].examples["sw"][place]
            assert (example.query, example.english) == (told.query, told.english)
            assert [right for _, right in found] == told.right
            assert [thumbnail.caption for thumbnail, _ in found] == [captions[image] for image in told.images]
    # Small enough, and still the picture itself.
    [thumbnail, _], image_id = shown.examples[0].found["layernorm"][0], firsts["layernorm"].examples["sw"][0].images[0]
    small = pixels(thumbnail)
    assert max(small.size) <= examples.THUMBNAIL
    own = Image.open(io.BytesIO(pictures[image_id])).convert("RGBA").resize(small.size)
    over = Image.new("RGBA", small.size, "white")
    ours, theirs = (np.asarray(Image.alpha_composite(over, image), dtype=float) for image in (small, own))
    assert np.abs(ours - theirs).mean() < 8


def test_confusions_show_what_was_found_first_and_what_was_right(
    compared: tuple[Comparison, Path, Path], small_sw: Prepared
) -> None:
    group = compared[0].groups[0]
    shown = examples.gather(group)
    rows = {row.image_id: row for row in data.read_rows(small_sw.folder, "test")}
    assert list(shown.confusions) == ["layernorm", "full (lit)"]
    told = group.members(group.rows[0])[0].record.confusions["sw"]
    for confusion, found in zip(shown.confusions["layernorm"], told, strict=True):
        assert (confusion.query, confusion.rank) == (found.query, found.rank)
        assert confusion.found.caption == rows[found.images[0]].captions[0]
        assert confusion.right.caption == rows[found.answer].captions[0]
        assert rows[found.answer].concept == found.concept != rows[found.images[0]].concept
    many = [t for e in shown.examples for found in e.found.values() for t, _ in found]
    many += [t for found in shown.confusions.values() for c in found for t in (c.found, c.right)]
    assert shown.size == sum(len(thumbnail.uri) for thumbnail in many)


def test_without_full_training_the_best_methods_confusions_are_shown(compared: tuple[Comparison, Path, Path]) -> None:
    runs = [run for run in compared[0].groups[0].runs if run.record.config.strategy == "layernorm"]
    assert list(examples.gather(results.group(runs)[0]).confusions) == ["layernorm"]


@pytest.mark.parametrize("gone", ["the folder", "the data set's digest", "a picture"])
def test_nothing_is_shown_of_data_that_is_gone_or_changed(
    compared: tuple[Comparison, Path, Path], tmp_path: Path, gone: str
) -> None:
    group = compared[0].groups[0]
    assert examples.gather(group) != examples.Shown()
    if gone == "the folder":
        group = changed(group, data=str(tmp_path / "nowhere"))
    elif gone == "the data set's digest":
        group = dataclasses.replace(group, data_sha256="0" * 64)
    else:
        first = group.runs[0]
        found = [f.model_copy(update={"images": ["0" * 16, *f.images[1:]]}) for f in first.record.examples["sw"]]
        about = first.record.model_copy(update={"examples": {"sw": found}})
        group = dataclasses.replace(group, runs=[first._replace(record=about), *group.runs[1:]])
    assert examples.gather(group) == examples.Shown()


def test_data_is_found_where_any_of_the_runs_found_it(compared: tuple[Comparison, Path, Path], tmp_path: Path) -> None:
    group = compared[0].groups[0]
    moved = changed(group, data=str(tmp_path / "nowhere"))
    mixed = dataclasses.replace(group, runs=[*moved.runs[:1], *group.runs[1:]])
    assert examples.gather(mixed) == examples.gather(group)
