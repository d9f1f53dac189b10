from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import regex

from data_prep.carriers import FetchError, cache_folder, fetch
from data_prep.categories import CLASSES, LABELS, canonical, class_prompts, names, prompts, templates
from data_prep.errors import UnknownNameError, UserError
from data_prep.languages import load_languages
from data_prep.pipeline import load_source
from data_prep.records import DropLog, Example


def examples(name: str) -> list[Example]:
    source = load_source(name)
    files = {resource.name: fetch(resource, progress=False) for resource in source.about.resources}
    return list(source.examples("en", files, DropLog()))


def test_names_are_cldrs_labels_of_the_same_categories():
    assert names("sw") == {
        "smileys-emotion": "kicheshi",
        "people-body": "mtu",
        "animals-nature": "wanyama au ulimwengu",
        "food-drink": "vyakula na vinywaji",
        "travel-places": "safari au maeneo",
        "activities": "shughuli",
        "objects": "vitu",
        "symbols": "alama",
        "flags": "bendera",
    }
    assert names("am")["food-drink"] == "ምግብ እና መጠጥ"
    assert list(names("en")) == list(CLASSES)
    assert names("en")["animals-nature"] == "animal or nature"


def test_names_that_cldr_left_in_english_are_left_out():
    assert names("qu") == {}  # nothing is translated
    assert names("ach") == {}  # CLDR does not have the language
    assert set(CLASSES) - set(names("ig")) == {"smileys-emotion", "activities", "flags"}
    assert set(CLASSES) - set(names("zu")) == {"activities"}
    assert names("de")["people-body"] == "Person"


def test_every_language_has_six_names_or_none_and_they_are_distinct_and_in_its_script():
    english = set(names("en").values())
    scripts = {"Jpan": ("Hira", "Kana", "Hani"), "Kore": ("Hang",), "Hans": ("Hani",), "Hant": ("Hani",)}
    counts = Counter[bool]()
    for language in load_languages():
        found = names(language)
        counts[bool(found)] += 1
        assert not found or len(found) >= 6, language.code
        assert len(set(found.values())) == len(found), language.code
        assert language.code == "en" or not english & set(found.values()), language.code
        own = "".join(rf"\p{{scx={script}}}" for script in scripts.get(language.script, (language.script,)))
        letter = regex.compile(f"[{own}]")
        assert all(letter.search(name) for name in found.values()), language.code
    assert counts[True] > 100


def test_concepts_that_sources_share_are_in_one_class():
    emoji = {e.concept: canonical(e.source, e.category) for e in examples("cldr-emoji")}
    agree: dict[str, Counter[bool]] = {}
    for stamp in examples("tuxpaint"):
        if (found := canonical(stamp.source, stamp.category)) and stamp.concept in emoji:
            agree.setdefault(stamp.category, Counter())[found == emoji[stamp.concept]] += 1
    # Letters and figures of Tux Paint have other names than the emoji of the same, so few symbols are shared.
    assert {category for category, n in agree.items() if n[True] <= n[False]} <= {"symbols"}
    total = sum(agree.values(), Counter[bool]())
    assert total[True] > 9 * total[False]


def test_all_categories_of_emoji_and_flags_have_a_class_but_parts_of_emoji():
    found = {(e.source, e.category) for name in ("cldr-emoji", "flags") for e in examples(name)}
    classes = {key: canonical(*key) for key in found}
    assert [key for key, name in classes.items() if name is None] == [("cldr-emoji", "Component")]
    assert set(classes.values()) - {None} == set(CLASSES)
    assert canonical("tuxpaint", "seasonal") is None
    assert canonical("folder", "animals") is None


def test_offline_without_the_labels_says_how_to_get_them(empty_cache):
    with pytest.raises(FetchError, match=r"cldr-misc-full could not be fetched[\s\S]*Run once without --offline"):
        names("sw", offline=True)


@pytest.mark.parametrize("text", ['{"main": {"en": {"characterLab', '{"main": {}}', '{"main": {"en": []}}', None])
def test_damaged_labels_say_what_to_delete(empty_cache, text):
    path = LABELS.folder / "main/en/characterLabels.json"
    assert path.is_relative_to(cache_folder())
    path.parent.mkdir(parents=True)
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=rf"damaged or cut short\. Delete {LABELS.folder}, and it is fetched anew"):
        names("sw")


def test_an_unknown_language_is_named():
    for call in (names, templates):
        with pytest.raises(UnknownNameError, match="no language named 'xx'"):
            call("xx")


@pytest.fixture
def babel(tmp_path: Path) -> Path:
    table = {
        "SW": [[998, 1], ["hindi ", "samaki wa  dhahabu"]],
        "FR": [[928, 929, 0], ["glace", "glace", "tanche"]],
        "AR": [[1], ["سمـــكة"]],
    }
    (tmp_path / "babel_imagenet-298.json").write_text(json.dumps(table), "utf-8")
    (tmp_path / "nllb_dist13b_prompts.json").write_text(json.dumps({"SW": ["picha ya  {} .", "sanamu ya {}"]}), "utf-8")
    return tmp_path


def test_imagenets_classes_are_set_into_the_templates_of_the_language(babel):
    assert class_prompts("sw", babel) == {
        "samaki wa dhahabu": ["picha ya samaki wa dhahabu .", "sanamu ya samaki wa dhahabu"],
        "hindi": ["picha ya hindi .", "sanamu ya hindi"],
    }
    assert list(class_prompts("sw", babel)) == ["samaki wa dhahabu", "hindi"]
    (babel / "nllb_dist13b_prompts.json").unlink()
    assert class_prompts("sw", babel)["hindi"] == ["hindi"]


def test_classes_of_one_name_are_one_and_names_are_normalized_as_captions_are(babel):
    assert class_prompts("fr", babel) == {"tanche": ["tanche"], "glace": ["glace"]}
    assert class_prompts("ar", babel) == {"سمكة": ["سمكة"]}  # ar.toml drops tatweel


def test_templates_are_babel_imagenets_where_it_has_them_else_the_name_alone(babel):
    assert templates("sw", babel) == ("picha ya {} .", "sanamu ya {}")
    assert templates("sw") == templates("fr", babel) == ("{}",)
    assert templates("ses", babel) == ("{}",)  # none of Babel-ImageNet's languages
    assert prompts("mtu {0}", templates("sw", babel)) == ["picha ya mtu {0} .", "sanamu ya mtu {0}"]


def test_a_language_or_a_file_that_is_not_there_is_answered_with_the_fix(babel):
    with pytest.raises(UserError, match=r"no names of classes in Koyraboro Senni.*under \[sources\] in languages/ses"):
        class_prompts("ses", babel)
    with pytest.raises(UserError, match=r"There is no language of Babel-ImageNet's file named 'YO'"):
        class_prompts("yo", babel)
    (babel / "babel_imagenet-298.json").unlink()
    with pytest.raises(UserError, match=r"there is no babel_imagenet-298\.json in"):
        class_prompts("sw", babel)
