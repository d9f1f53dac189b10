"""Where the runs of a comparison go, and which of them are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from data_prep.pipeline import Prepared
from mlilt import record
from mlilt.comparison import experiment as experiments
from mlilt.comparison import grid
from mlilt.comparison.experiment import Planned
from mlilt.training import corpus


def planned(small_sw: Prepared, **changes: object) -> list[Planned]:
    asked = {"title": "t", "languages": ["sw"], "strategies": ["frozen", "full"], "seeds": 1}
    return experiments.plan(experiments.make({**asked, "settings": {"data": str(small_sw.folder)}, **changes}, "here"))


def test_runs_of_one_name_in_one_grid_get_folders_of_their_own(small_sw: Prepared, tmp_path: Path) -> None:
    found, failed = grid.survey(planned(small_sw, grid=[{"epochs": [1, 2]}]), tmp_path)
    assert not failed
    names = [placed.folder.name for placed in found]
    assert names[:2] == ["sw-frozen-s0", "sw-full-s0"]
    assert [name.rpartition("-")[0] for name in names[2:]] == names[:2]
    assert len(set(names)) == 4
    assert not list(tmp_path.iterdir())


def test_what_is_there_of_each_run_is_told(small_sw: Prepared, write_run: Callable[..., Path], tmp_path: Path) -> None:
    wanted = planned(small_sw, strategies=["frozen", "full", "bitfit"])
    digest = corpus.digest(wanted[0].config)
    done = write_run({"sw": [1, 2]}, data_sha256=digest, **wanted[0].config.outcome())
    begun = write_run({"sw": [1, 2]}, data_sha256=digest, **wanted[1].config.outcome())
    (begun / record.RECORD).unlink()
    (begun / record.CHECKPOINT).write_bytes(b"")
    found, _ = grid.survey(wanted, tmp_path / "runs")
    assert [(placed.folder, placed.state) for placed in found] == [
        (done, "finished"),
        (begun, "begun"),
        (tmp_path / "runs" / "sw-bitfit-s0", "missing"),
    ]


def test_a_folder_that_is_no_run_is_a_failure_of_its_own(small_sw: Prepared, tmp_path: Path) -> None:
    (tmp_path / "sw-full-s0").mkdir()
    (tmp_path / "sw-full-s0" / "mine.txt").write_text("x", encoding="utf-8")
    found, [failure] = grid.survey(planned(small_sw), tmp_path)
    assert [placed.folder.name for placed in found] == ["sw-frozen-s0"]
    assert (failure.run, "no run of mlilt" in failure.reason) == ("sw-full-s0", True)


def test_languages_joined_train_together_and_others_apart(two_languages: Path, tmp_path: Path) -> None:
    asked = {"title": "t", "languages": ["sw+yo", "sw"], "strategies": ["frozen"], "seeds": 1}
    made = experiments.make({**asked, "settings": {"data": str(two_languages)}}, "here")
    found, _ = grid.survey(experiments.plan(made), tmp_path)
    assert [placed.folder.name for placed in found] == ["sw+yo-frozen-s0", "sw-frozen-s0"]
    assert [placed.planned.config.data for placed in found] == [str(two_languages), str(two_languages / "sw")]
