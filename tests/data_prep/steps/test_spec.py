"""How steps are chosen and given options: by default, by a language's file, on the command line."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest

from data_prep import inventory, pipeline
from data_prep.errors import UserError
from data_prep.languages import Language, load_language, load_languages
from data_prep.pipeline import steps_of
from data_prep.steps import _spec

NAMES = _spec.names()


@pytest.fixture
def arabic() -> Language:
    found = load_language("ar")
    return found.model_copy(update={"steps": {"normalize": {"vowel_marks": "drop"}, "language-id": {}}})


def test_every_step_has_its_place_in_the_order():
    assert sorted(pipeline.ORDER) == NAMES
    assert {*pipeline.ON_REQUEST, *pipeline.NEEDED} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_says_what_it_does_and_what_its_options_are(name):
    kind = _spec.kind(name)
    assert is_dataclass(kind)
    assert _spec.summary(name).endswith((".", ";", ":", ",")) or len(_spec.summary(name)) > 20
    assert all(f.metadata["about"] for f in fields(kind))
    assert _spec.values(_spec.load(name, {})) == {f.name: f.default for f in fields(kind)}
    used = (name in pipeline.ON_PIECES or name in pipeline.SERIAL, name in (*pipeline.ON_THE_WHOLE, *pipeline.SERIAL))
    assert (hasattr(kind, "apply"), hasattr(kind, "judge")) == used or name == "pictures"


def test_options_come_from_the_language_and_the_command_line_goes_before_it(arabic):
    plain = steps_of(None)
    assert "language-id" not in plain
    assert plain["normalize"]["vowel_marks"] == "keep"
    own = steps_of(arabic)
    assert own["normalize"]["vowel_marks"] == "drop"
    assert "language-id" in own
    asked = steps_of(arabic, ["normalize:vowel_marks=keep", "script:share=0.25"], ["language-id", "near-duplicates"])
    assert asked["normalize"]["vowel_marks"] == "keep"
    assert asked["script"]["share"] == 0.25
    assert set(own) - set(asked) == {"language-id", "near-duplicates"}
    assert list(asked) == [name for name in own if name in asked]


@pytest.mark.parametrize(
    ("step", "without", "said"),
    [
        (["scirpt"], [], "There is no step named 'scirpt'. Did you mean script"),
        ([], ["scirpt"], "There is no step named 'scirpt'. Did you mean script"),
        (["script:"], [], "'script:' is no step: expected NAME or NAME:key=value,key=value"),
        (["script:share"], [], "'script:share' is no step"),
        (["script:share=1,share=0.5"], [], "The step script was given an option twice"),
        (["script:shares=1"], [], "The step script has no option 'shares'. Its options, with defaults: share=0.5."),
        (["script:share=much"], [], "The step script: share: Input should be a valid number"),
        (["normalize:tatweel=cut"], [], "The step normalize: tatweel: Input should be"),
        (["deduplicate:x=1"], [], "The step deduplicate has no option 'x'. It has none."),
        (["near-duplicates:bits=-3"], [], "The step near-duplicates: bits: Input should be greater than or equal to 0"),
        (["pictures:max_side=0"], [], "The step pictures: max_side: Input should be greater than or equal to 8"),
        ([], ["pictures"], "The step pictures cannot be left out."),
        ([], ["captions"], "The step captions cannot be left out."),
        ([], ["split"], "The step split cannot be left out."),
    ],
)
def test_what_cannot_be_is_answered_with_the_fix(step, without, said):
    with pytest.raises(UserError) as caught:
        steps_of(None, step, without)
    assert said in str(caught.value)


def test_every_language_files_steps_and_options_exist():
    for language in load_languages():
        chosen = steps_of(language)
        for name, options in language.steps.items():
            assert {key: chosen[name][key] for key in options} == options


def test_the_list_for_people_shows_a_languages_own_options(monkeypatch, arabic):
    monkeypatch.setattr(inventory, "load_language", lambda code: arabic)
    listed = {entry["name"]: entry for entry in inventory.steps("ar")}
    assert [e["used"] for e in inventory.steps() if e["name"] == "language-id"] == [False]
    assert listed["language-id"]["used"]
    assert {o["name"]: o["value"] for o in listed["normalize"]["options"]}["vowel_marks"] == "drop"
