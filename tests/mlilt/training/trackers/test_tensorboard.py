"""Event files, read back by TensorBoard's own reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2


def test_curves_go_on_where_the_run_was_resumed_and_results_are_beside_the_settings(
    tracked: Callable[[str], Any],
) -> None:
    left = tracked("tensorboard")
    events = EventAccumulator(str(left.folder)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (0, 1.0),
        (1, 2.0),
        (2, 3.0),
        (3, 104.0),
        (4, 105.0),
        (5, 106.0),
    ]
    assert [(event.step, event.value) for event in events.Scalars("validation/recall_at_10")] == [
        (3, 0.25),
        (4, 0.25),
        (5, 0.25),
    ]
    assert [event.value for event in events.Scalars("recall_at_1")] == [0.5]
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    settings = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["lr"].number_value == 0.001
    assert settings["compile"].bool_value is False
    assert {key: settings[key].string_value for key in ("lang", "held_out")} == {"lang": "sw", "held_out": "['flags']"}


def test_the_note_is_the_command_that_shows_it(tracked: Callable[[str], Any]) -> None:
    left = tracked("tensorboard")
    assert left.notes == [f"TensorBoard: tensorboard --logdir {left.folder}"] * 2
