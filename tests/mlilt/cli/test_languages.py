"""`mlilt languages`, its page of one language, and `mlilt languages new`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner, Result

from data_prep.errors import UserError
from data_prep.inventory import fetched
from data_prep.languages import load_language, load_languages, read_language
from data_prep.pipeline import Prepared
from mlilt import fertility
from mlilt.cli import languages
from mlilt.cli.main import build
from mlilt.towers import text


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(build(), ["languages", *map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
def data(small_sw: Prepared) -> Path:
    """The folder below which the small Swahili set is."""
    return small_sw.folder.parent


def rows(small_sw: Prepared) -> list[dict[str, Any]]:
    return [row for path in small_sw.folder.glob("data/*.parquet") for row in pq.read_table(path).to_pylist()]


def pictures(small_sw: Prepared) -> Counter[str]:
    return Counter(row["source"] for row in rows(small_sw))


def test_the_list_has_a_line_a_language_columns_for_fetched_sources_only_and_a_count_of_the_others(
    data: Path, small_sw: Prepared
) -> None:
    said = run("--data", data).stdout
    heading = next(line for line in said.splitlines() if "autonym" in line).split()
    assert heading == ["code", "name", "autonym", "script", *fetched(), "more"]
    (swahili,) = (line.split() for line in said.splitlines() if line.split()[:1] == ["sw"])
    counts = pictures(small_sw)
    others = len(set(load_language("sw").sources) - set(fetched()))
    assert swahili == ["sw", "Swahili", "Kiswahili", "Latn", *(f"{counts[s]:,}" for s in fetched()), str(others)]
    assert f"{len(load_languages())} languages." in said


@pytest.mark.parametrize(("width", "autonyms"), [(80, False), (100, True)])
def test_the_list_fits_the_screen_without_folding(
    width: int, autonyms: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(languages, "_console", lambda: Console(width=width, highlight=False))
    lines = run("--data", tmp_path).stdout.splitlines()
    table = lines[: next(place for place, line in enumerate(lines) if " languages. " in line)]
    codes = [line.split()[0] for line in table if line.strip()]
    # The heading, its rule, and one line a language.
    assert codes[0] == "code"
    assert codes[2:] == [language.code for language in load_languages()]
    assert max(map(cell_len, lines)) <= width
    assert "…" not in "".join(lines)
    assert ("Kiswahili" in "".join(lines)) == autonyms


def test_the_page_of_a_language_tells_all(data: Path, small_sw: Prepared) -> None:
    page = json.loads(run("--lang", "sw", "--data", data, "--json").stdout)
    language = load_language("sw")
    assert {key: page[key] for key in language.model_dump()} == language.model_dump(mode="json")
    counts = pictures(small_sw)
    held = {entry["source"]: (entry["state"], entry["pairs"]) for entry in page["held"]}
    assert {name: pairs for name, (state, pairs) in held.items() if state == "prepared"} == counts
    assert held["xm3600"] == ("pointed to", None)
    captions = sorted({caption for row in rows(small_sw) for caption in row["captions"]})
    measured = {entry["tower"]: entry for entry in page["tokenizers"]}["e5-small"]
    expected = fertility.measure("e5-small", text.load_tokenizer("e5-small"), captions)
    assert measured["tokens_per_word"] == expected.tokens_per_word
    assert measured["unknown_share"] == expected.unknown_share
    assert "zu" in {entry["code"] for entry in page["relatives"]}


def test_the_page_can_be_read(data: Path, small_sw: Prepared, tiny: dict[str, str]) -> None:
    said = run("--lang", "sw", "--data", data, "--text", tiny["xlm-r"]).stdout
    for word in (*("Kiswahili", "swh_Latn", "Bantu", "Africa", "xlm-r, mbert"), *load_language("sw").caveats):
        assert word in said
    assert f"{pictures(small_sw)['cldr-emoji']:,}" in said
    assert "you point to its files" in said
    assert tiny["xlm-r"] in said
    assert "Zulu" in said


def test_the_page_counts_no_words_where_there_are_no_spaces(tmp_path: Path, tiny: dict[str, str]) -> None:
    asked = ("--data", tmp_path, "--text", tiny["mbert"])
    assert "words are not counted" in run("--lang", "km", *asked).stdout
    (measured,) = json.loads(run("--lang", "km", *asked, "--json").stdout)["tokenizers"]
    assert measured["tokens_per_word"] is None
    assert measured["tokens"] * measured["characters_per_token"] == pytest.approx(measured["characters"])
    assert "ethiopic_punctuation = True" in run("--lang", "am", *asked).stdout


def test_a_page_without_captions_says_so_and_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path / "empty"))
    said = run("--lang", "sw", "--data", tmp_path).stdout
    assert "Tokens are not counted: no captions are on this machine." in said
    assert "not fetched" in said
    assert not (tmp_path / "empty").exists()


def test_mistakes_name_the_fix(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Did you mean sw\?"):
        run("--lang", "Swahili")
    with pytest.raises(UserError, match="Did you mean e5-small"):
        run("--lang", "sw", "--text", "e5-smal", "--data", tmp_path)
    done = run("--text", "e5-small")
    assert done.exit_code == 2
    assert "needs --lang" in done.stderr


def test_new_writes_a_file_that_the_list_then_has(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLILT_LANGUAGES", raising=False)
    done = run("new", "mg")
    path = Path("languages") / "mg.toml"
    assert read_language(path).sources["flags"] == "mg"
    assert f"{path} is written." in done.stdout
    assert "MLILT_LANGUAGES=languages mlilt prep --lang mg --limit 50" in done.stdout
    monkeypatch.setenv("MLILT_LANGUAGES", "languages")
    assert "mg" in {entry["code"] for entry in json.loads(run("--json").stdout)}
    with pytest.raises(UserError, match="is there already"):
        run("new", "mg")
    again = json.loads(run("new", "mg", "--force", "--json").stdout)
    assert (again["path"], again["scanned"]) == (str(path), True)
    assert {"source": "flags", "locale": "mg"}.items() <= {f["source"]: f for f in again["found"]}["flags"].items()


def test_new_says_which_source_to_point_to_where_none_can_be_fetched(tmp_path: Path) -> None:
    said = run("new", "ayr", "--out", tmp_path).stdout
    assert f"MLILT_LANGUAGES={tmp_path} mlilt prep --lang ayr --source babel-imagenet:DIR --limit 50" in said
    assert "# check:" in said


def test_new_has_its_own_help() -> None:
    said = run("new", "--help").stdout
    assert "mlilt languages new mg" in said
    assert "--force" in said
    assert "new" in run("--help").stdout
