"""An index that is brought up to date while it is served."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from data_prep.errors import UserError
from mlilt import search
from mlilt.serving import Served, create_app
from mlilt.serving.served import name_all


def test_a_changed_index_is_opened_anew_and_a_broken_one_passed_over(
    real: Path, pictures: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "pictures"
    shutil.copytree(pictures, mine)
    search.build(real, mine, tmp_path / "index", progress=False)
    served = Served("mine", tmp_path / "index", offline=True)
    before = served.current()
    gone = sorted(mine.glob("*.png"))[0]
    gone.unlink()
    search.build(real, mine, tmp_path / "index", progress=False)
    deadline = time.monotonic() + 30
    while served.current() is before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    after = served.current()
    assert len(after) == len(before) - 1
    assert after.model is before.model
    # Who still asks the one that was is answered.
    assert len(before.search("mbwa", 1)) == 1
    (tmp_path / "index" / "index.json").write_text("{")
    time.sleep(1.1)
    assert served.current() is after
    time.sleep(1.1)
    assert len(served.current().search("mbwa", 1)) == 1


def test_a_picture_that_was_taken_out_is_no_longer_shown(real: Path, pictures: Path, tmp_path: Path) -> None:
    mine = tmp_path / "pictures"
    shutil.copytree(pictures, mine)
    search.build(real, mine, tmp_path / "index", progress=False)
    served = Served("mine", tmp_path / "index", offline=True)
    gone = sorted(mine.glob("*.png"))[0]
    [hit] = served.current().search_image(gone, 1)
    with TestClient(create_app([served])) as client:
        asked = f"/api/pictures/mine/{hit.image_id}"
        first = client.get(asked)
        assert first.status_code == 200
        gone.unlink()
        search.build(real, mine, tmp_path / "index", progress=False)
        deadline = time.monotonic() + 30
        while client.get(asked).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.get(asked).status_code == 404
        assert client.get(asked, headers={"if-none-match": first.headers["etag"]}).status_code == 404


def test_no_index_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no index"):
        Served("mine", tmp_path)


def test_each_index_has_a_name_of_its_own() -> None:
    assert name_all([Path("a/x"), Path("b/x"), Path("y"), Path("c/x")]) == ["x", "x-2", "y", "x-3"]
