from __future__ import annotations

import pytest

from data_prep.errors import UnknownNameError, UserError
from data_prep.languages import load_language, load_languages, read_language

GOOD = """code = "xx"
iso639_3 = "xxx"
name = "Xish"
autonym = "Xixi"
script = "Latn"
[sources]
flags = "xx"
"""


def test_all_mistakes_of_a_file_are_reported_at_once_each_with_its_key_and_the_fix(tmp_path):
    path = tmp_path / "xx.toml"
    path.write_text('code = "XX"\nnam = "Xish"\nautonym = 3\nscript = "latin"\ncaveats = [""]\n[sources]\nflags = ""\n')
    with pytest.raises(UserError) as caught:
        read_language(path)
    head, *lines = str(caught.value).splitlines()
    assert head == f"{path} has 8 mistake(s):"
    found = {line.split(":")[0].strip(): line for line in lines}
    assert set(found) == {"code", "nam", "name", "iso639_3", "autonym", "script", "caveats.0", "sources.flags"}
    assert "'XX'" in found["code"]
    assert "Did you mean name" in found["nam"]
    assert "is missing (ISO 639-3 code" in found["iso639_3"]
    assert "ISO 15924" in found["script"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"code = ", "is not valid TOML in UTF-8"),
        (b"name = '\xff'", "is not valid TOML in UTF-8"),
        (GOOD.replace('flags = "xx"', "").encode(), "sources"),
        (GOOD.replace('"xx"', '"xy"', 1).encode(), "code is 'xy', but the file's name says 'xx'"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_named(tmp_path, data, said):
    path = tmp_path / "xx.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_language(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_own_files_are_found_without_a_line_of_code_and_go_before_shipped_ones(tmp_path, monkeypatch):
    (tmp_path / "xx.toml").write_text(GOOD)
    (tmp_path / "sw.toml").write_text(GOOD.replace('"xx"', '"sw"', 1))
    monkeypatch.setenv("MLILT_LANGUAGES", str(tmp_path))
    assert load_language("xx").autonym == "Xixi"
    assert load_language("sw").name == "Xish"
    codes = [language.code for language in load_languages()]
    assert codes == sorted(set(codes))
    assert {"xx", "sw", "yo"} <= set(codes)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        *((asked, "sw") for asked in ("Swahili", "kiswahili", "swh", "SW")),
        # Of several that share a name, the one in the usual script.
        ("cmn", "zh"),
        ("srp", "sr"),
        ("ZH-hant", "zh-Hant"),
    ],
)
def test_a_language_asked_for_by_another_name_is_suggested(asked, meant):
    with pytest.raises(UserError, match=rf"Did you mean {meant}\?"):
        load_language(asked)


def test_what_a_file_need_not_state_is_left_open(tmp_path):
    (tmp_path / "xx.toml").write_text(GOOD)
    language = read_language(tmp_path / "xx.toml")
    assert (language.iso639_1, language.family, language.branch, language.macroarea) == (None,) * 4
    # Not seen by any model is another thing than not stated.
    assert language.pretraining is None
    assert (language.flores200, language.steps, language.caveats) == ([], {}, [])


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ('flores200 = ["swh-Latn"]', "flores200.0", "FLORES-200 codes"),
        ('flores200 = "swh_Latn"', "flores200", "list"),
        ('iso639_1 = "swh"', "iso639_1", "ISO 639-1"),
        ('macroarea = "Asia"', "macroarea", "'Eurasia'"),
        ('pretraining = ["xlmr"]', "pretraining.0", "'xlm-r' or 'mbert'"),
        ('family = ""', "family", "Glottolog"),
    ],
)
def test_a_wrong_fact_is_named_with_what_is_wanted(tmp_path, line, key, said):
    path = tmp_path / "xx.toml"
    path.write_text(line + "\n" + GOOD)
    with pytest.raises(UserError) as caught:
        read_language(path)
    head, mistake = str(caught.value).splitlines()
    assert head == f"{path} has 1 mistake(s):"
    assert mistake.startswith(f"  {key}: ")
    assert said in mistake


@pytest.mark.parametrize(
    ("code", "spaced"), [("sw", True), ("am", True), ("km", False), ("zh-Hant", False), ("ko", True)]
)
def test_some_scripts_have_no_spaces_between_words(code, spaced):
    assert load_language(code).spaced is spaced


def test_an_unknown_language_says_how_to_add_it():
    with pytest.raises(UnknownNameError, match="`mlilt languages new CODE` writes a first file for another"):
        load_language("qqq")
