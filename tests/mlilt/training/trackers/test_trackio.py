"""trackio's local store, read back with sqlite.

trackio asks for Pillow 12, and the versions that the other tests pass with are of Pillow 13: these tests run where
`pip install 'mlilt[trackio]'` was.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any


def test_run_and_resumption_are_one_run_of_the_local_store(tracked: Callable[[str], Any]) -> None:
    left = tracked("trackio")
    with sqlite3.connect(left.home / "store" / "mlilt.db") as store:
        lines = store.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
        runs = store.execute("SELECT COUNT(DISTINCT run_id) FROM metrics").fetchone()
        settings = [json.loads(row[0]) for row in store.execute("SELECT config FROM configs")]
    assert runs == (1,)
    assert {name for name, _, _ in lines} == {"sw-s0"}
    figures = [(step, json.loads(text)) for _, step, text in lines]
    recall = {"validation/recall_at_10": 0.25}
    assert figures[:5] == [(step, {"loss": 1 + step}) for step in range(5)]
    assert figures[5:8] == [(step, {"loss": 101 + step, **recall}) for step in range(3, 6)]
    assert [line for _, line in figures[8:]] == [{"recall_at_1": 0.5}]
    shown = {key: value for key, value in settings[0].items() if not key.startswith("_")}
    assert shown == {"lr": 0.001, "lang": "sw", "held_out": ["flags"], "compile": False}


def test_the_note_is_the_command_that_shows_it(tracked: Callable[[str], Any]) -> None:
    assert tracked("trackio").notes == ["trackio: trackio show --project mlilt"] * 2
