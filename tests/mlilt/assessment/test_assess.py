"""What was measured is kept, and measured anew when it is no longer so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.errors import UserError
from mlilt import record
from mlilt.assessment import Measured, assess, before

Train = Callable[..., Path]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.json")}


def accuracies(measured: list[Measured]) -> dict[tuple[str, str], dict[str, float]]:
    return {(one.test, one.on): dict(zip(one.items, one.values["accuracy"], strict=True)) for one in measured}


def test_what_is_kept_is_read_and_the_model_not_loaded(
    run: Path, found: list[Measured], others: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(run, copied)
    (copied / record.WEIGHTS).unlink()
    was = times(copied / record.ASSESSED)
    # Retrieval and zero-shot of two languages, bitext of both, calibration and neighbours of the run's own.
    assert len({name for name in was if not name.startswith("imagenet")}) == 7
    assert assess(copied, ["en"], others, progress=False) == found
    own = assess(copied, tests=["retrieval"], progress=False)
    assert own == [one for one in found if (one.test, one.on) == ("retrieval", "sw")]
    assert times(copied / record.ASSESSED) == was


def test_a_file_that_does_not_hold_what_is_asked_is_measured_anew(train: Train, others: Path) -> None:
    folder = train()
    tests = ["retrieval", "bitext"]
    found = assess(folder, ["en"], others, tests, progress=False)
    [path] = (folder / record.ASSESSED).glob("bitext-en-sw-*.json")
    whole = path.read_bytes()
    kept = json.loads(whole)
    short = {**kept["measured"][0], "items": kept["measured"][0]["items"][:-1]}
    for damaged in (
        whole[:100],
        json.dumps({**kept, "format": 0}).encode(),
        json.dumps({**kept, "weights_sha256": "0"}).encode(),
        json.dumps({**kept, "measured": [short]}).encode(),
    ):
        path.write_bytes(damaged)
        was = times(folder / record.ASSESSED)
        (folder / record.WEIGHTS).rename(folder / "aside")
        with pytest.raises(UserError, match=rf"{record.WEIGHTS} cannot be read"):
            assess(folder, ["en"], others, tests, progress=False)
        (folder / "aside").rename(folder / record.WEIGHTS)
        assert assess(folder, ["en"], others, tests, progress=False) == found
        now = times(folder / record.ASSESSED)
        assert [name for name in now if was[name] != now[name]] == [path.name]


def test_another_data_set_of_a_language_is_measured_by_itself(train: Train, others: Path, tmp_path: Path) -> None:
    folder = train()
    found = assess(folder, ["en"], others, progress=False)
    shutil.copytree(others, tmp_path / "others")
    manifest = tmp_path / "others" / "en" / "mlilt.json"
    told = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**told, "digest": "0" * 64}), encoding="utf-8")
    was = set(times(folder / record.ASSESSED))
    assert assess(folder, ["en"], tmp_path / "others", progress=False) == found
    new = set(times(folder / record.ASSESSED)) - was
    assert {name.rsplit("-", 1)[0] for name in new} == {"retrieval-en", "bitext-en-sw", "zero-shot-en"}
    # Neither lot was overwritten by the other.
    (folder / record.WEIGHTS).unlink()
    for data in (others, tmp_path / "others"):
        assert assess(folder, ["en"], data, progress=False) == found


def test_before_is_what_a_run_without_training_reaches_and_is_kept_in_the_cache(
    train: Train, others: Path, own_cache: Path
) -> None:
    frozen, trained = train("frozen", strategy="frozen"), train("trained", strategy="full", lr=0.01)
    was = before(record.read(trained), ["en"], others, progress=False)
    assert {one.test for one in was} == {"bitext", "neighbours"}
    tests = ["bitext", "neighbours"]
    never = assess(frozen, ["en"], others, tests, progress=False)
    assert accuracies(was) == accuracies(never)
    now = accuracies(assess(trained, ["en"], others, tests, progress=False))
    assert now["bitext", "en-sw"] != accuracies(was)["bitext", "en-sw"]
    # Its eyes did not train.
    assert now["neighbours", "sw: test split"] == accuracies(was)["neighbours", "sw: test split"]
    kept = times(own_cache / "assessed")
    assert len(kept) == 2
    assert before(record.read(frozen), ["en"], others, progress=False) == was
    assert times(own_cache / "assessed") == kept


def test_categories_held_out_are_kept_apart_before_training_too(train: Train, own_cache: Path) -> None:
    runs = [train("symbols", held_out=["Symbols", "animals"]), train("flags", held_out=["Flags", "animals"])]
    for _ in range(2):
        was = [before(record.read(run), tests=["neighbours"], progress=False)[0] for run in runs]
        assert [one.on for one in was] == ["sw: Symbols, animals", "sw: Flags, animals"]
        assert set(was[0].items) - set(was[1].items)
    assert len(times(own_cache / "assessed")) == 2


def test_what_cannot_be_asked_is_answered_with_the_fix(train: Train, others: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no run\. `mlilt train"):
        assess(tmp_path)
    trimmed = train("trimmed", trim_vocab=True)
    with pytest.raises(UserError, match=r"Prepare it first: `mlilt prep --lang am`"):
        assess(train(), ["am"], others)
    with pytest.raises(UserError, match=r"no language code 'english'\. Did you mean en"):
        assess(tmp_path / "run", ["english"], others)
    with pytest.raises(UserError, match=r"--trim-vocab and knows the words of sw alone: it cannot be asked in en"):
        assess(trimmed, ["sw", "en"], others)
    assert [one.on for one in assess(trimmed, ["sw"], others, ["retrieval"], progress=False)] == ["sw", "sw"]
    (tmp_path / "run" / record.ASSESSED).write_text("in the way")
    with pytest.raises(UserError, match=r"assessed could not be written.*make it writable"):
        assess(tmp_path / "run", tests=["retrieval"])
    (tmp_path / "run" / record.RECORD).unlink()
    with pytest.raises(UserError, match=r"not finished: go on with `mlilt train --resume`"):
        assess(tmp_path / "run")
