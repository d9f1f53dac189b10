from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_prep.errors import UserError
from data_prep.records import Example
from data_prep.sources.babel_imagenet import SOURCE, class_names, templates
from tests.data_prep.sources.walking import walk

# A thousand ids in ImageNet's form; a class's index is its place among them.
WNIDS = [f"n{1440764 + 3 * n:08}" for n in range(1000)]


def read(root: Path, locale: str = "SW") -> tuple[list[Example], list[tuple[str, str]]]:
    return walk(SOURCE, locale, root)


@pytest.fixture
def root(tmp_path, make_picture):
    """The repository's data/ and two classes of the validation set, with Kaggle's list of all."""
    table = {
        "EN": [[0, 1, 999], ["tench", "goldfish", "toilet tissue"]],
        "SW": [[1, 998], ["samaki wa dhahabu", "hindi "]],
    }
    prompts = {"SW": ["picha mbaya ya  {} .", "sanamu ya  {} .", "bila jina"], "EN": ["a photo of a {}."]}
    (tmp_path / "data").mkdir()
    (tmp_path / "data/babel_imagenet-298.json").write_text(json.dumps(table, indent=2), "utf-8")
    (tmp_path / "data/nllb_dist13b_prompts.json").write_text(json.dumps(prompts), "utf-8")
    (tmp_path / "LOC_synset_mapping.txt").write_text("".join(f"{w} name, other name\n" for w in WNIDS))
    for index, names in (
        (1, ("ILSVRC2012_val_00000262", "ILSVRC2012_val_00000236")),
        (999, ("ILSVRC2012_val_00000001",)),
    ):
        folder = tmp_path / "val" / WNIDS[index]
        folder.mkdir(parents=True)
        for name in names:
            (folder / f"{name}.JPEG").write_bytes(make_picture(kind="JPEG"))
    return tmp_path


def test_pictures_of_a_class_are_one_concept_with_its_name(root):
    examples, drops = read(root)
    assert drops == []
    fish = f"babel-imagenet-{WNIDS[1]}"
    assert [(e.item, e.captions, e.captions_en) for e in examples] == [
        (f"{fish}/ILSVRC2012_val_00000236", ("samaki wa dhahabu",), ("goldfish",)),
        (f"{fish}/ILSVRC2012_val_00000262", ("samaki wa dhahabu",), ("goldfish",)),
        (f"babel-imagenet-{WNIDS[999]}/ILSVRC2012_val_00000001", (), ("toilet tissue",)),
    ]
    assert {e.split for e in examples} == {"test"}
    assert examples[0].picture == root / "val" / WNIDS[1] / "ILSVRC2012_val_00000236.JPEG"


def test_all_thousand_folders_need_no_list(root):
    (root / "LOC_synset_mapping.txt").unlink()
    with pytest.raises(UserError, match=r"there are 2 classes.*or some of them with Kaggle's LOC_synset_mapping\.txt"):
        read(root)
    for wnid in WNIDS:
        (root / "val" / wnid).mkdir(exist_ok=True)
    examples, drops = read(root)
    assert [e.captions for e in examples] == [("samaki wa dhahabu",)] * 2 + [()]
    assert len(drops) == 998
    assert drops[0] == (WNIDS[0], "there is no picture of the class")


def test_a_class_of_another_imagenet_is_named(root):
    (root / "val" / "n99999999").mkdir()
    assert read(root)[1] == [("n99999999", "the class is none of ImageNet's 1,000")]


def test_class_names_and_templates_need_no_pictures(tmp_path, root):
    data = root / "data"
    assert class_names(data, "SW") == {1: "samaki wa dhahabu", 998: "hindi"} == class_names(root, "SW")
    assert templates(root, "SW") == ("picha mbaya ya {} .", "sanamu ya {} .")
    assert templates(root, "YO") == ()
    (data / "nllb_dist13b_prompts.json").unlink()
    assert templates(root, "SW") == ()


def test_the_smaller_file_of_the_repository_will_do(root):
    (root / "data/babel_imagenet-298.json").rename(root / "babel_imagenet.json")
    assert class_names(root, "SW")[998] == "hindi"


@pytest.mark.parametrize("text", ['{"SW": [[1], ["a"', "[]", ""])
def test_a_damaged_file_says_where_to_fetch_it(root, text):
    for name in ("babel_imagenet-298", "nllb_dist13b_prompts"):
        (root / f"data/{name}.json").write_text(text)
    for call in (class_names, templates):
        with pytest.raises(UserError, match=r"json is damaged or cut short\. Fetch it anew from https://github\.com"):
            call(root, "SW")


def test_names_that_do_not_fit_their_classes_are_refused(root):
    (root / "data/babel_imagenet-298.json").write_text('{"SW": [[1, 2], ["moja"]]}')
    with pytest.raises(UserError, match=r"entry for SW is damaged: it must be \[indices, names\]"):
        class_names(root, "SW")


def test_a_wrong_folder_or_language_is_answered_with_what_is_expected(root, tmp_path):
    with pytest.raises(UserError, match=r"no language of Babel-ImageNet's file named 'sw'\. Did you mean SW"):
        class_names(root, "sw")
    with pytest.raises(UserError, match="babel-imagenet has no language 'sw'"):
        read(root, "sw")
    (root / "val").rename(root / "elsewhere")
    with pytest.raises(UserError, match=r"no pictures in folders by WordNet id .*n01440764/\*\.JPEG"):
        read(root)
    with pytest.raises(UserError, match=r"there is no babel_imagenet-298\.json"):
        read(root / "elsewhere")


def test_its_languages_are_the_298_of_the_paper():
    assert len(set(SOURCE.about.locales)) == len(SOURCE.about.locales) == 298
    assert {"SW", "YO", "QU", "ZH_YUE"} <= set(SOURCE.about.locales)
