"""First files for languages: from the real sources' lists of languages, and from miniatures of what is fetched."""

from __future__ import annotations

import langcodes
import pytest

from data_prep import draft, registry, sources
from data_prep.carriers import FetchError
from data_prep.errors import UserError
from data_prep.languages import load_language, load_languages, read_language
from data_prep.pipeline import load_source
from data_prep.steps import _spec

# Codes that no rule leads to: a name of a source's own, a group whose usual language CLDR does not name, and Akan's
# code that FLORES-200 has beside that of Twi.
OWN = {
    ("babel-imagenet", "pa-Arab"), ("babel-imagenet", "yue"), ("wit", "pa-Arab"), ("xtd10", "ja"),
    *((name, "ps") for name in ("bloom-captioning", "flickr30k-200", "laion-coco-nllb", "xtd200")),
    *((name, "ak") for name in ("flickr30k-200", "laion-coco-nllb", "xtd200")),
}  # fmt: skip


def test_a_source_is_found_under_the_code_that_a_person_found_it_under():
    other = set()
    for name in registry.names(sources):
        offered = load_source(name).about.locales
        for language in load_languages() if offered else ():
            guesses = draft.locales(langcodes.Language.get(language.code))
            if next((g for g in guesses if g in offered), None) != language.sources.get(name):
                other.add((name, language.code))
    assert other == OWN


@pytest.mark.parametrize("code", ["nb", "pt", "zh-Hant", "sr-Latn", "he", "nn"])
def test_fetched_sources_are_found_under_the_shipped_codes_with_their_captions(code):
    shipped = load_language(code)
    tag = langcodes.Language.get(code)
    found = {f.source: f for f in draft.survey(tag, progress=False) if f.captions}
    assert {name: f.locale for name, f in found.items() if f.enough} == {
        name: shipped.sources[name] for name in ("cldr-emoji", "flags", "tuxpaint") if name in shipped.sources
    }
    assert found["flags"].captions == 259
    assert all(f.english < f.captions for f in found.values())


def test_of_another_script_only_codes_that_tell_it_are_tried():
    cyrillic = {"sr", "SR", "srp", "srp_Cyrl", "sh"}
    assert not cyrillic & set(draft.locales(langcodes.Language.get("sr-Latn")))
    assert cyrillic - {"sh"} <= set(draft.locales(langcodes.Language.get("sr")))


@pytest.fixture
def lines(miniature):
    """The lines of the file of Malagasy, whose miniature has flags and emoji, by key."""
    territories = {f"{a}{b}": f"Tany {a}{b}" for a in "ABCDE" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"} | {"AA": "AA land"}
    emoji = [
        miniature.row("".join(chr(0x1F1E6 + ord(c) - 65) for c in code), f"flag-{code}", "Flags")
        for code in territories
    ]
    for vendor in ("google", "twitter"):
        miniature.emoji([miniature.row("🐶", "dog", "Animals & Nature"), *emoji], vendor)
        for row in emoji:
            miniature.emoji_picture(vendor, row["image"], b"not read")
    miniature.territories("en", {code: f"{code} land" for code in territories})
    miniature.territories("mg", territories)
    miniature.annotations("mg", {"🐶": ["alika"]})

    def write(folder, **options):
        made = draft.write("mg", folder, progress=False, **options)
        return made, made.path.read_text(encoding="utf-8").splitlines()

    return write


def test_a_file_is_written_with_all_that_is_known_and_marks_what_is_not(lines, tmp_path):
    made, text = lines(tmp_path / "mine")
    assert made.path == tmp_path / "mine" / "mg.toml"
    assert [p.name for p in made.path.parent.iterdir()] == ["mg.toml"]
    language = read_language(made.path)
    assert (language.code, language.iso639_1, language.iso639_3, language.flores200) == (
        "mg",
        "mg",
        "plt",
        ["plt_Latn"],
    )
    assert (language.name, language.script, language.direction) == ("Malagasy", "Latn", "ltr")
    assert (language.family, language.macroarea, language.pretraining) == (None, None, None)
    expected = {"babel-imagenet": "MG", "flags": "mg", "flickr30k-200": "plt_Latn", "laion-coco-nllb": "plt_Latn"}
    assert language.sources == expected | {"wit": "mg", "xtd200": "plt_Latn"}
    # 130 territories, AA being the same as in English; one emoji is too few.
    assert 'flags = "mg"  # 130 captions, 1 of them the same as in English' in text
    assert '# cldr-emoji = "mg"  # 1 captions are too few' in text
    assert any(line.startswith('iso639_3 = "plt"  # check: mg is a group; its languages are bhr, ') for line in text)
    assert made.checks == sum("# check:" in line for line in text) >= 6
    assert not made.scanned


def test_a_file_is_never_overwritten_without_being_told_to(lines, tmp_path, monkeypatch):
    monkeypatch.setenv("MLILT_LANGUAGES", str(tmp_path / "mine"))
    made, _ = lines(None)
    assert made.scanned
    made.path.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"mg\.toml is there already\. Edit it, or let --force write it anew"):
        lines(None)
    assert made.path.read_text(encoding="utf-8") == "mine"
    assert len(lines(None, force=True)[1]) > 10


def test_by_default_it_goes_into_the_first_own_folder_or_the_current_ones_languages(monkeypatch, tmp_path):
    monkeypatch.delenv("MLILT_LANGUAGES", raising=False)
    assert str(draft.default_folder()) == "languages"
    monkeypatch.setenv("MLILT_LANGUAGES", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert draft.default_folder() == tmp_path / "a"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("english", "is no BCP-47 tag, such as mg, quz or sr-Latn"),
        ("../sw", "is no BCP-47 tag"),
        ("xx", "is no language that BCP-47 knows"),
        ("und", "is no language that BCP-47 knows"),
        ("en_GB", r"usual form of 'en_GB' is 'en-GB'\. Run `mlilt languages new en-GB`"),
        ("SW", "usual form of 'SW' is 'sw'"),
        ("mg-Latn", "usual form of 'mg-Latn' is 'mg'"),
        ("sw", r"There is a file for sw already: Swahili, `mlilt languages --lang sw`.*--force"),
        ("swh", "There is a file for swh already: Swahili"),
        ("aqz", r"No source holds 100 captions in Akuntsu \(aqz\)\..*--source folder:DIR"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_fix(code, said, tmp_path):
    with pytest.raises(UserError, match=said):
        draft.write(code, tmp_path / "mine", progress=False)
    assert not (tmp_path / "mine").exists()


def test_sources_with_too_few_captions_are_told(miniature, tmp_path):
    miniature.annotations("bew", {"🐶": ["anjing"]})
    with pytest.raises(
        UserError, match=r"No source holds 100 captions in Betawi \(bew\)\. cldr-emoji has 1 captions\."
    ):
        draft.write("bew", tmp_path, progress=False)


def test_without_a_network_the_error_says_what_is_missing(empty_cache, tmp_path):
    with pytest.raises(FetchError, match="Run once without --offline"):
        draft.write("mg", tmp_path, offline=True, progress=False)


@pytest.mark.parametrize("script", sorted(draft.NORMALIZE))
def test_what_is_proposed_for_a_script_is_what_its_shipped_languages_have(script):
    options = [language.steps.get("normalize") for language in load_languages() if language.script == script]
    assert options
    assert all(given == draft.NORMALIZE[script] for given in options)
    _spec.load("normalize", draft.NORMALIZE[script])


def test_a_language_written_from_the_right_gets_its_direction_and_its_options(tmp_path):
    made = draft.write("ckb", tmp_path, progress=False)
    language = read_language(made.path)
    assert (language.script, language.direction) == ("Arab", "rtl")
    assert language.steps["normalize"] == draft.NORMALIZE["Arab"]
    assert language.sources["xtd200"] == "ckb_Arab"
