"""The data of one language and of several, on real sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mlilt
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.config import RunConfig
from mlilt.training import corpus


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Swahili and Yoruba sets in one folder."""
    folder = tmp_path_factory.mktemp("both")
    for lang, limit in (("sw", 40), ("yo", 25)):
        mlilt.prepare(lang, limit=limit, out=folder / lang, progress=False)
    return folder


def test_one_language_is_its_data_set_as_it_is(settings: Callable[..., RunConfig], small_sw: Prepared) -> None:
    found = corpus.read(settings())
    assert found.sha256 == corpus.digest(settings()) == small_sw.digest
    assert found.pictures == small_sw.pictures
    for split, made in (("train", found.train), ("test", found.test["sw"]), ("validation", found.validation["sw"])):
        rows = data.read_rows(small_sw.folder, split)
        assert [row.image_id for row in made.rows] == [row.image_id for row in rows]
        assert {row.language for row in made.rows} == {"sw"}
        assert [made.image_ids[place] for place in made.image.tolist()] == [row.image_id for row in made.rows]
        assert len(set(made.image_ids)) == len(made.image_ids)


def test_several_languages_share_their_pictures(settings: Callable[..., RunConfig], both: Path) -> None:
    config = settings(lang="sw+yo", data=str(both))
    found = corpus.read(config)
    assert set(found.test) == set(found.validation) == {"sw", "yo"}
    counts = {lang: sum(row.language == lang for row in found.train.rows) for lang in ("sw", "yo")}
    assert counts == {lang: len(data.read_rows(both / lang, "train")) for lang in ("sw", "yo")}
    assert len(found.train.image_ids) < len(found.train.rows)
    pictures = dict(found.train.pictures(set(found.train.image_ids)))
    assert list(dict.fromkeys(found.train.image_ids)) == found.train.image_ids
    assert pictures.keys() == set(found.train.image_ids)
    # No language's test concept is trained on in another.
    trained = {row.concept for row in found.train.rows}
    assert not trained & {row.concept for split in found.test.values() for row in split.rows}
    alone = {corpus.digest(settings(lang=lang, data=str(both / lang))) for lang in ("sw", "yo")}
    assert found.sha256 not in alone
    assert found.sha256 == corpus.digest(config) != corpus.digest(settings(lang="yo+sw", data=str(both)))


def test_texts_are_all_that_any_split_says(settings: Callable[..., RunConfig], small_sw: Prepared) -> None:
    texts = corpus.read(settings()).texts()
    assert len(set(texts)) == len(texts)
    rows = [row for split in data.SPLITS for row in data.read_rows(small_sw.folder, split)]
    assert set(texts) == {text for row in rows for text in (*row.captions, *row.keywords, *row.captions_en)}


def test_a_language_that_is_not_prepared_is_named(settings: Callable[..., RunConfig], both: Path) -> None:
    with pytest.raises(UserError, match=r"no data set in .*am\. Prepare it first: `mlilt prep --lang am`"):
        corpus.read(settings(lang="sw+am", data=str(both)))


def test_concepts_and_categories_are_left_out_of_the_training_split_alone(
    settings: Callable[..., RunConfig], small_sw: Prepared
) -> None:
    whole, part = corpus.read(settings()), corpus.read(settings(concepts=7, held_out=["Symbols"], seed=2))
    assert {row.category for row in whole.train.rows} > {row.category for row in part.train.rows}
    assert "Symbols" not in {row.category for row in part.train.rows}
    assert len({row.concept for row in part.train.rows}) == 7
    assert (part.test, part.validation, part.pictures) == (whole.test, whole.validation, whole.pictures)


def test_a_category_that_is_not_there_cannot_be_held_out(settings: Callable[..., RunConfig]) -> None:
    with pytest.raises(UserError, match=r"no category snacks to be held out\. Known: .*Symbols"):
        corpus.read(settings(held_out=["snacks"]))
