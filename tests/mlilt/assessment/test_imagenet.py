"""On a miniature in the layout of Babel-ImageNet's files and ImageNet's pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mlilt
from data_prep.errors import UserError
from mlilt import record
from mlilt.assessment import Measured, assess, unasked
from mlilt.assessment._base import Asked, Subject
from mlilt.comparison import grid
from mlilt.comparison.experiment import Planned

WNIDS = [f"n{1440764 + 3 * n:08}" for n in range(1000)]
NAMES = {3: "red apple", 500: "blue sea", 998: "green leaf"}
TEMPLATES = ["a photo of a {}.", "a  {} ."]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of which two have pictures."""
    folder = tmp_path_factory.mktemp("imagenet")
    (folder / "babel_imagenet-298.json").write_text(json.dumps({"EN": [list(NAMES), list(NAMES.values())]}), "utf-8")
    (folder / "nllb_dist13b_prompts.json").write_text(json.dumps({"EN": TEMPLATES}), "utf-8")
    (folder / "LOC_synset_mapping.txt").write_text("".join(f"{w} name\n" for w in WNIDS))
    random = np.random.default_rng(0)
    for index, colour in ((3, 0), (500, 2)):
        for number in range(3):
            pixels = random.integers(0, 90, (64, 64, 3)).astype(np.uint8)
            pixels[..., colour] += 150
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "PNG")
            path = folder / "val" / WNIDS[index] / f"ILSVRC2012_val_{index:04}{number:04}.PNG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(out.getvalue())
    return folder


@pytest.fixture(scope="module")
def prepared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    mlilt.prepare("en", ["babel-imagenet"], out=out / "en", root=root, progress=False)
    return out


@pytest.fixture(scope="module")
def measured(run: Path, root: Path, prepared: Path) -> Measured:
    [one] = assess(run, ["en"], prepared, ["imagenet"], progress=False, imagenet=root)
    return one


def test_classes_are_the_means_of_their_prompts(
    measured: Measured, real_subject: Subject, root: Path, prepared: Path
) -> None:
    one = Asked.of("en", prepared / "en", root)
    vectors = {}
    for name in NAMES.values():
        prompts = real_subject.text([f"a photo of a {name}.", f"a {name} ."]).astype(np.float64)
        mean = sum(prompt / np.linalg.norm(prompt) for prompt in prompts)
        vectors[name] = mean / np.linalg.norm(mean)
    expected = {}
    for row, picture in zip(one.split.rows, real_subject.image(one.split).astype(np.float64), strict=True):
        nearest = max(vectors, key=lambda name: float(picture @ vectors[name]))
        expected[row.image_id] = float(nearest == row.captions[0])
    assert len(expected) == 6
    assert dict(zip(measured.items, measured.values["accuracy"], strict=True)) == expected
    assert measured.chance["accuracy"] == pytest.approx(1 / 3)
    assert {key: measured.about[key] for key in ("among", "templates", "left_out")} == {
        "among": 3, "templates": 2, "left_out": 0
    }  # fmt: skip
    assert set(measured.about["by_class"]) == {"red apple", "blue sea"}
    assert Measured.model_validate_json(measured.model_dump_json()) == measured


def test_other_names_or_templates_are_measured_by_themselves(
    measured: Measured, run: Path, root: Path, prepared: Path, tmp_path: Path
) -> None:
    kept = set((run / record.ASSESSED).glob("imagenet-en-*.json"))
    assert len(kept) == 1
    names = (root / "babel_imagenet-298.json").read_bytes()
    (tmp_path / "babel_imagenet-298.json").write_bytes(names)
    [bare] = assess(run, ["en"], prepared, ["imagenet"], progress=False, imagenet=tmp_path)
    assert bare.about["templates"] == 1
    assert len(set((run / record.ASSESSED).glob("imagenet-en-*.json"))) == 2
    assert assess(run, ["en"], prepared, ["imagenet"], progress=False, imagenet=root) == [measured]


def test_without_the_files_it_is_not_asked_and_says_what_it_needs(run: Path, prepared: Path, tmp_path: Path) -> None:
    found = assess(run, ["en"], prepared, ["imagenet"], progress=False)
    assert found == []
    assert unasked(["imagenet"], found) == {
        "imagenet": "data prepared from babel-imagenet, and the folder with its files: --imagenet"
    }
    with pytest.raises(UserError, match=r"there is no babel_imagenet-298\.json"):
        assess(run, ["en"], prepared, ["imagenet"], progress=False, imagenet=tmp_path)


def test_an_experiment_puts_its_runs_to_it_with_the_folder_it_names(run: Path, prepared: Path, root: Path) -> None:
    put = Planned(record.read(run).config, ("en",), ("imagenet",))
    found, _, failed = grid.assess([(put, run)], prepared, offline=False, progress=False, imagenet=root)
    assert not failed
    assert found[run] == assess(run, ["en"], prepared, ["imagenet"], progress=False, imagenet=root)
    assert len(found[run]) == 1
