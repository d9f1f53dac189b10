"""What holds for all trackers, and how the loop uses them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_prep.errors import UnknownNameError, UserError
from mlilt.training import trackers

# Trackers as anyone could add them, by a file: one keeps a diary, the others fail.
DIARY = """
class TRACKER:
    package = "json"

    def start(self, run):
        self.file = run.folder / "diary"
        return f"diary from {run.first_step}: {run.settings}"

    def log(self, step, figures):
        self.file.open("a").write(f"{step} {figures}\\n")

    def finish(self, summary, failed):
        self.file.open("a").write(f"{summary} {failed}\\n")
"""
BREAKS = DIARY.replace(
    "def log(self, step, figures):", "def log(self, step, figures):\n        assert step < 1, 'full'"
)
BROKEN = DIARY.replace("def start(self, run):", "def start(self, run):\n        raise OSError('no server')")
ABSENT = DIARY.replace('"json"', '"no_such_package"')


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of trackers with these four in it."""
    for name, source in {"diary": DIARY, "breaks": BREAKS, "broken": BROKEN, "absent": ABSENT}.items():
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, f"{trackers.__name__}.{name}", raising=False)
    monkeypatch.setattr(trackers, "__path__", [*trackers.__path__, str(tmp_path)])


def diary(run: Path, name: str = "diary") -> list[str]:
    return (run / "tracking" / name / "diary").read_text().splitlines()


def test_a_file_is_a_tracker_and_an_unknown_name_is_answered_with_the_nearest(added: None) -> None:
    assert {"tensorboard", "trackio", "wandb", "diary"} <= set(trackers.names())
    with pytest.raises(UnknownNameError, match=r"There is no tracker named 'tensorbord'\. Did you mean tensorboard"):
        trackers.check(["diary", "tensorbord"])


def test_a_tracker_whose_package_is_not_installed_is_told_before_anything_starts(added: None) -> None:
    trackers.check(["diary"])
    with pytest.raises(UserError, match=r"needs the package no_such_package, .* pip install 'mlilt\[absent\]'"):
        trackers.check(["diary", "absent"])


def test_each_tracker_has_an_extra_of_its_name_that_brings_its_package() -> None:
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    for name in trackers.names():
        (requirement,) = project["optional-dependencies"][name]
        assert requirement.partition(">=")[0] == trackers._class(name).package


@pytest.mark.parametrize("name", trackers.names())
def test_a_run_stopped_and_resumed_is_tracked_in_its_folder_silently_and_sends_nothing(
    name: str, tracked: Callable[[str], Any]
) -> None:
    left = tracked(name)
    assert left.requests == 0
    assert left.printed == ("", "")
    assert len(left.notes) == 2
    # Beside the run's own folder there is at most trackio's store.
    assert {path.name for path in left.home.iterdir() if not path.name.startswith(".")} <= {"store"}
    assert [path.name for path in left.folder.parent.iterdir()] == [name]


def test_trackers_get_settings_figures_and_summary_in_order(added: None, tmp_path: Path) -> None:
    with trackers.start(["diary", "diary"], tmp_path, "a", {"lr": 0.1}, first_step=7) as tracking:
        tracking.log(7, {"loss": 2.0})
        tracking.log(8, {"loss": 1.5})
        tracking.summary["recall"] = 0.5
    assert tracking.notes == ["diary from 7: {'lr': 0.1}"]
    assert diary(tmp_path) == ["7 {'loss': 2.0}", "8 {'loss': 1.5}", "{'recall': 0.5} False"]


def test_a_tracker_that_fails_is_left_out_and_said_once_while_the_others_go_on(
    added: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with trackers.start(["breaks", "broken", "diary"], tmp_path, "a", {}) as tracking:
        for step in range(3):
            tracking.log(step, {"loss": 0.5})
    assert diary(tmp_path) == ["0 {'loss': 0.5}", "1 {'loss': 0.5}", "2 {'loss': 0.5}", "{} False"]
    assert diary(tmp_path, "breaks") == ["0 {'loss': 0.5}"]
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(". Training goes on")[0] for line in said] == [
        "mlilt: tracking by broken has ended: no server",
        "mlilt: tracking by breaks has ended: full",
    ]
    assert tracking.notes == ["diary from 0: {}"] * 2


def test_a_run_that_fails_is_finished_as_failed_and_its_error_goes_on(added: None, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), trackers.start(["diary"], tmp_path, "a", {}):
        raise KeyboardInterrupt
    assert diary(tmp_path) == ["{} True"]


def test_a_new_run_leaves_nothing_of_an_earlier_one_and_a_resumed_run_everything(added: None, tmp_path: Path) -> None:
    for first_step, kept in ((0, 1), (5, 2), (0, 1)):
        with trackers.start(["diary"], tmp_path, "a", {}, first_step=first_step):
            pass
        assert len(diary(tmp_path)) == kept


def test_neither_torch_nor_a_trackers_package_is_loaded_to_check_names() -> None:
    code = (
        "import sys; from mlilt.training import trackers; trackers.check(['tensorboard', 'wandb']); "
        "print(sorted({'torch', 'tensorboard', 'wandb', 'trackio'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
