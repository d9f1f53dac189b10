"""Offline runs, read back by W&B's own inspector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlilt.training.trackers.wandb import _mode, _wandb


def records(run: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    environment = {**os.environ, "WANDB_ERROR_REPORTING": "false"}
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=run)
    return [json.loads(line) for line in shown.stdout.splitlines()]


def kind(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [record[name] for record in found if record["type"] == name]


def test_run_and_resumption_are_one_run_whose_figures_are_drawn_by_our_steps(tracked: Callable[[str], Any]) -> None:
    left = tracked("wandb")
    first, second = (records(run) for run in sorted(left.folder.glob("offline-run-*")))
    (run, resumed) = (kind(found, "run")[0] for found in (first, second))
    assert run["run_id"] == resumed["run_id"]
    assert resumed["resume"] is True
    assert (run["project"], run["display_name"]) == ("mlilt", "sw-s0")
    shown = {key: value for key, value in run["config"]["update"].items() if key != "_wandb"}
    assert shown == {"lr": 0.001, "lang": "sw", "held_out": ["flags"], "compile": False}
    for found, losses in ((first, {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}), (second, {3: 104, 4: 105, 5: 106})):
        assert {item["item"]["step"]: item["item"]["loss"] for item in kind(found, "history")} == losses
        (axis,) = kind(found, "metric")
        assert (axis["glob_name"], axis["step_metric"]) == ("*", "step")
    assert [item["item"]["validation/recall_at_10"] for item in kind(second, "history")] == [0.25] * 3
    assert {"recall_at_1": 0.5} in [summary["update"] for summary in kind(second, "summary")]
    assert [kind(found, "exit")[0].get("exit_code", 0) for found in (first, second)] == [1, 0]


def test_neither_the_machines_name_nor_the_command_nor_packages_are_recorded(tracked: Callable[[str], Any]) -> None:
    left = tracked("wandb")
    for run in left.folder.glob("offline-run-*"):
        found = records(run)
        assert "host" not in kind(found, "run")[0]
        kinds = {"header", "run", "telemetry", "metric", "summary", "history", "exit"}
        assert {record["type"] for record in found} == kinds


def test_the_note_says_how_to_look_and_how_to_send(tracked: Callable[[str], Any]) -> None:
    left = tracked("wandb")
    looked, sent = left.notes[0].removeprefix("W&B, offline: ").split("; to send it: ")
    assert (looked, sent) == (f"wandb leet {left.folder}", f"wandb sync {left.folder}/offline-run-*")


def test_it_is_online_only_for_who_is_logged_in_or_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _mode(offline=False) == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    try:
        assert _mode(offline=False) == "online"
        assert _mode(offline=True) == "offline"
        monkeypatch.setenv("WANDB_MODE", "offline")
        assert _mode(offline=False) is None
        assert _mode(offline=True) == "offline"
    finally:
        _wandb().sdk.lib.wbauth.unauthenticate_session()
