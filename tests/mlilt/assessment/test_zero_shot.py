from __future__ import annotations

import numpy as np
import pytest

from data_prep import categories
from data_prep.pipeline import Prepared
from mlilt.assessment import Measured
from mlilt.assessment._base import Asked, Subject
from mlilt.assessment.zero_shot import TEST


@pytest.mark.parametrize("language", ["sw", "en"])
def test_a_picture_is_of_the_class_whose_name_is_nearest(
    language: str, real_subject: Subject, found: list[Measured], small_sw: Prepared, small_en: Prepared
) -> None:
    one = Asked.of(language, {"sw": small_sw, "en": small_en}[language].folder)
    labels = [categories.canonical(row.source, row.category) for row in one.split.rows]
    names = {name: label for name, label in categories.names(language).items() if name in labels}
    vectors = {name: real_subject.text([label])[0].astype(np.float64) for name, label in names.items()}
    pictures = real_subject.image(one.split).astype(np.float64)
    expected = {}
    for row, label, picture in zip(one.split.rows, labels, pictures, strict=True):
        if label in names:
            nearest = max(vectors, key=lambda name: float(picture @ vectors[name]))
            expected[row.image_id] = float(nearest == label)
    [measured] = [m for m in found if (m.test, m.on) == ("zero-shot", language)]
    assert dict(zip(measured.items, measured.values["accuracy"], strict=True)) == expected
    assert measured.about["classes"] == names
    assert measured.chance["accuracy"] == pytest.approx(1 / len(names))
    for name, accuracy in measured.about["by_class"].items():
        of_class = [expected[r.image_id] for r, label in zip(one.split.rows, labels, strict=True) if label == name]
        assert accuracy == pytest.approx(np.mean(of_class))


def test_pictures_of_the_run_are_those_of_the_frozen_tower_projected(real_subject: Subject, small_sw: Prepared) -> None:
    split = Asked.of("sw", small_sw.folder).split
    shown = real_subject.image(split)
    assert shown.shape == (len(split.rows), 64)
    np.testing.assert_allclose(np.linalg.norm(shown, axis=1), 1, atol=1e-5)
    pictures = dict(split.pictures(set(split.image_ids)))
    encoded = real_subject._eyes.encode([pictures[row.image_id] for row in split.rows[:5]])
    expected = real_subject._dual.encode_image(encoded).numpy()
    # Kept features are in float16.
    np.testing.assert_allclose(shown[:5], expected, atol=5e-3)


def test_a_language_without_names_of_categories_is_not_asked(real_subject: Subject, small_sw: Prepared) -> None:
    own = Asked.of("sw", small_sw.folder)
    quechua = Asked("qu", own.folder, own.sha256)  # CLDR has no names in it
    assert TEST.measure(real_subject, [quechua]) == []
