"""`mlilt index` and `mlilt search` as users run them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.pipeline import Prepared
from mlilt import data
from mlilt.cli.main import main
from tests.watching import Watch


def mlilt(*arguments: object, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlilt", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        input=given,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def made(real: Path, small_sw: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What holds a folder of pictures, one of which is damaged, and an index of them."""
    root = tmp_path_factory.mktemp("search")
    (root / "pictures").mkdir()
    for image_id, picture in list(data.read_pictures(small_sw.folder, "test"))[:20]:
        (root / "pictures" / f"{image_id}.png").write_bytes(picture)
    (root / "pictures" / "broken.png").write_bytes(b"none")
    watch = Watch(tmp_path_factory.mktemp("watch"))
    done = mlilt("index", real, root / "pictures", "--out", root / "index", **watch.environment)
    assert done.returncode == 0, done.stderr
    assert watch.noted == ""
    there = len(list((root / "pictures").glob("*.png"))) - 1
    assert f"{there} different pictures in {there} files: {there + 1} files added, 0 changed, 0 removed" in done.stdout
    assert "Left out: broken.png: the picture is of no known format" in done.stdout
    assert f'Next: mlilt search {root / "index"} "..."' in done.stdout
    assert "Reading and encoding pictures" in done.stderr
    return root


def test_an_index_is_brought_up_to_date_and_told_to_programs(made: Path, real: Path) -> None:
    done = mlilt("index", real, made / "pictures", "--out", made / "index", "--offline", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("seconds") > 0
    there = len(list((made / "pictures").glob("*.png")))
    assert told == {
        "index": str(made / "index"),
        "pictures": there - 1,
        "files": there,
        "added": [],
        "changed": [],
        "removed": [],
        "broken": [{"file": "broken.png", "problem": "the picture is of no known format"}],
        "encoded": 0,
    }


def test_a_text_and_a_picture_are_searched_for(made: Path) -> None:
    done = mlilt("search", made / "index", "mbwa mkubwa", "--top", 3, "--offline")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mbwa mkubwa")
    done = mlilt("search", made / "index", "mbwa mkubwa", "--top", 3, "--offline", "--json")
    told = json.loads(done.stdout)
    assert told["query"] == "mbwa mkubwa"
    assert [hit["rank"] for hit in told["hits"]] == [1, 2, 3]
    first = Path(told["hits"][0]["path"])
    assert first.is_file()
    done = mlilt("search", made / "index", "--image", first, "--top", 1, "--exact", "--offline", "--json")
    [hit] = json.loads(done.stdout)["hits"]
    assert Path(hit["path"]) == first
    assert hit["score"] > 0.99


def test_queries_a_line_come_back_an_object_a_line(made: Path) -> None:
    done = mlilt("search", made / "index", "--top", 2, "--json", "--offline", given="mbwa\n\n  paka \n")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["query"] for each in told] == ["mbwa", "paka"]
    assert all(len(each["hits"]) == 2 for each in told)


def test_pictures_are_shown_in_cells_if_asked_for(made: Path) -> None:
    done = mlilt("search", made / "index", "mbwa", "--top", 2, "--pictures", "--offline")
    assert done.returncode == 0, done.stderr
    assert "1  0." in done.stdout


def test_what_is_wrong_is_told(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (("search", tmp_path, "mbwa"), "holds no index"),
        (("search", made / "index"), "Say what to search for"),
        (("search", made / "index", "mbwa", "--image", "a.png"), "not both"),
        (("search", made / "index", "  "), "The query is empty"),
        (("search", made / "index", "--image", made / "pictures" / "broken.png"), "of no known format"),
        (("search", made / "index", "--image", made / "no.png"), "cannot be read"),
        (("search", made / "index", "mbwa", "--run", tmp_path), "holds no run"),
        (("index", tmp_path, made / "pictures"), "holds no run"),
    ):
        # As the program does, but without a process for each, and without its handlers of signals.
        monkeypatch.setattr("signal.signal", lambda *_: None)
        monkeypatch.setattr(sys, "argv", ["mlilt", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
