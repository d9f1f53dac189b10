from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_prep import categories
from data_prep.pipeline import Prepared
from mlilt import data, record
from mlilt.assessment import Measured, assess, before
from mlilt.assessment._base import Asked, Subject
from mlilt.assessment.neighbours import K
from mlilt.towers.vision import VisionTower

Train = Callable[..., Path]


def voted(features: np.ndarray, labels: list[str], groups: list[str]) -> list[float]:
    """A plain loop: of the nearest of other groups each votes with exp(cosine / 0.07)."""
    unit = features.astype(np.float64) / np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    right = []
    for place in range(len(unit)):
        others = [n for n in range(len(unit)) if groups[n] != groups[place]]
        nearest = sorted(others, key=lambda n: -float(unit[place] @ unit[n]))[:K]
        votes: dict[str, float] = {}
        for n in nearest:
            votes[labels[n]] = votes.get(labels[n], 0.0) + np.exp(float(unit[place] @ unit[n]) / 0.07)
        right.append(float(max(votes, key=votes.__getitem__) == labels[place]))
    return right


def test_pictures_of_other_concepts_vote_for_the_class(
    eyes: VisionTower, found: list[Measured], small_sw: Prepared
) -> None:
    rows = data.read_rows(small_sw.folder, "test")
    label = {row.image_id: categories.canonical(row.source, row.category) or row.category for row in rows}
    concepts = {name: {r.concept for r in rows if label[r.image_id] == name} for name in set(label.values())}
    rows = [row for row in rows if len(concepts[label[row.image_id]]) > 1]
    pictures = dict(data.read_pictures(small_sw.folder, "test"))
    features = np.concatenate([eyes.encode([pictures[row.image_id]]).numpy() for row in rows])
    [one] = [m for m in found if m.test == "neighbours"]
    assert one.items == [row.image_id for row in rows]
    assert one.values["accuracy"] == voted(features, [label[r.image_id] for r in rows], [r.concept for r in rows])
    assert one.about["categories"] == sorted(name for name, those in concepts.items() if len(those) > 1)
    # "animals" of Tux Paint and "Travel & Places" of the emoji are classes that sources share.
    assert {"animals-nature", "flags"} <= set(one.about["categories"])


def test_a_tower_that_trained_sees_otherwise_than_before(train: Train, small_sw: Prepared, tmp_path: Path) -> None:
    folder = train(vision_strategy="full", vision_lr=0.01)
    [now] = assess(folder, tests=["neighbours"], progress=False)
    [was] = before(record.read(folder), tests=["neighbours"], progress=False)
    assert (now.items, now.chance) == (was.items, was.chance)
    assert now.values != was.values


def test_features_of_a_tower_that_trained_are_its_own_and_encoded_once(
    train: Train, subject: Callable[[Path], Subject], small_sw: Prepared, others: Path
) -> None:
    loaded = subject(train(vision_strategy="full", vision_lr=0.01))
    own, other = Asked.of("sw", small_sw.folder), Asked.of("en", others / "en")
    pictures = dict(data.read_pictures(small_sw.folder, "test"))
    expected = [loaded._eyes.encode([pictures[row.image_id]]).numpy()[0] for row in own.split.rows]
    np.testing.assert_allclose(loaded.features(own.split), expected, atol=1e-4)
    shared = set(own.split.image_ids) & set(other.split.image_ids)
    assert shared
    kept = {image_id: loaded._seen[image_id] for image_id in shared}
    assert loaded.features(other.split).shape == (len(other.split.rows), loaded._eyes.width)
    assert all(loaded._seen[image_id] is features for image_id, features in kept.items())
    np.testing.assert_allclose(loaded.features(own.split), expected, atol=1e-4)


def test_held_out_categories_are_asked_with_the_pictures_of_all_splits(train: Train, small_sw: Prepared) -> None:
    held_out = ["animals", "Symbols"]
    folder = train(held_out=held_out)
    [one] = assess(folder, tests=["neighbours"], progress=False)
    rows = [row for split in data.SPLITS for row in data.read_rows(small_sw.folder, split)]
    # A concept that is held out by one source is by all.
    concepts = {row.concept for row in rows if row.category in held_out}
    trained = {r.image_id for r in data.read_rows(small_sw.folder, "train") if r.concept not in concepts}
    expected = {row.image_id for row in rows if row.category in held_out} - trained
    assert set(one.items) == expected
    assert one.on == "sw: animals, Symbols"
    assert one.about["categories"] == ["animals-nature", "symbols"]
    largest = max(sum(row.category == name for row in rows) for name in held_out)
    assert one.chance["accuracy"] == pytest.approx(largest / len(expected))


def test_one_category_alone_has_nothing_to_be_told_from(train: Train) -> None:
    assert assess(train(held_out=["Symbols"]), tests=["neighbours"], progress=False) == []
