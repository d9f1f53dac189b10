"""Where the runs of a comparison go, and which of them are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep import workers
from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import record
from mlilt.comparison import experiment as experiments
from mlilt.comparison import grid
from mlilt.comparison.experiment import Planned
from mlilt.comparison.worker import Worker
from mlilt.config import RunConfig
from mlilt.training import corpus
from mlilt.training.resolve import resolve


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


def test_runs_that_train_side_by_side_are_those_that_train_one_after_the_other(
    settings: Callable[..., RunConfig], xlmr_folder: Path, tiny_eyes: dict[str, str], tmp_path: Path
) -> None:
    towers = {"text": str(xlmr_folder), "vision": tiny_eyes["cnn"], "epochs": 1}
    wanted = [Planned(resolve(settings(**towers, strategy="layernorm", seed=seed)), (), ()) for seed in range(3)]
    broken = Planned(resolve(settings(**towers, strategy="frozen", batch_size=10**6)), (), ())
    alone = resolve(settings(**towers, strategy="layernorm", seed=1))
    with Worker(offline=True, progress=False, threads=max(1, workers.cores() // 2)) as worker:
        worker.train(alone, tmp_path / "alone")
    plan = [wanted[0], broken, *wanted[1:]]
    done, failed = grid.train_missing(plan, tmp_path / "runs", offline=True, progress=False, jobs=2)
    assert [planned for planned, _ in done] == wanted
    [failure] = failed
    assert "batch" in failure.reason
    digests = {record.read(folder).weights_sha256 for _, folder in done}
    assert len(digests) == 3
    assert record.read(tmp_path / "alone").weights_sha256 in digests
    assert {record.read(folder).machine["threads"] for _, folder in done} == {max(1, workers.cores() // 2)}


def test_a_gpu_is_not_shared_out(settings: Callable[..., RunConfig], tmp_path: Path) -> None:
    config = resolve(settings()).model_copy(update={"device": "cuda"})
    with pytest.raises(UserError, match="--jobs 2 shares out the cores of a CPU"):
        grid.train_missing([Planned(config, (), ())], tmp_path, offline=True, progress=False, jobs=2)
