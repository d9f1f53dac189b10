"""What is found wrong before any weight is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from data_prep.errors import UserError
from mlilt import record
from mlilt.config import RunConfig
from mlilt.data import Entry
from mlilt.towers import text, vision
from mlilt.training import checks, loop
from mlilt.training.batching import Batcher
from mlilt.training.resolve import resolve

Settings = Callable[..., RunConfig]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"vision_strategy": "attention"},
            r"attention finds nothing to train in the vision tower efficientnet-lite0: .*",
        ),
        ({"strategy": "lora+dora"}, r"dora and lora cannot be composed"),
        ({"strategy": "full+bitfit"}, r"full cannot be composed with bitfit"),
        (
            {"strategy": "last-k:k=2", "always_freeze": [-1, -2]},
            r"last-k finds nothing to train in the text tower e5-small",
        ),
        ({"always_freeze": [12]}, r"block 12 of the text tower e5-small, which has 12 blocks: 0 to 11"),
        ({"objective": "info"}, r"Did you mean info-nce"),
        (
            {"batch_size": 4096},
            r"batch of 4096 captions is larger than the data set: an epoch has \d+\. Use --batch-size \d+ or",
        ),
        ({"text": "no-such-tower"}, r"no-such-tower"),
    ],
)
def test_settings_that_do_not_fit_are_told_before_any_weight_is_loaded(
    changes: dict[str, Any], said: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(text, "load", refuse)
    monkeypatch.setattr(vision, "load", refuse)
    with pytest.raises(UserError, match=said):
        loop.train(settings(**changes), out=tmp_path / "run", progress=False)
    assert [path.name for path in (tmp_path / "run").glob("*")] in ([], [".lock"])


def test_accounts_of_the_architectures_are_those_of_the_towers(settings: Settings) -> None:
    of_text, of_vision = checks.check_strategies(resolve(settings(strategy="lilt-da")))
    # 25 norms of width 384, and 24 adapters with a bottleneck of 96.
    assert of_text.count == 25 * 2 * 384 + 24 * (384 * 96 + 96 + 96 * 384 + 384)
    assert of_vision.count > 0


def test_force_removes_nothing_before_the_settings_are_known_to_fit(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    kept = {record.RECORD: b"{}", record.WEIGHTS: b"weights", record.CONFIG: b"x"}
    for name, content in kept.items():
        (tmp_path / "run" / name).write_bytes(content)
    for changes in ({"vision_strategy": "attention"}, {"batch_size": 4096}, {"text": "no-such-tower"}):
        with pytest.raises(UserError):
            loop.train(settings(**changes), out=tmp_path / "run", force=True, progress=False)
    assert {name: (tmp_path / "run" / name).read_bytes() for name in kept} == kept


def test_gpus_that_are_not_there_are_told_before_anything_is_started() -> None:
    there = torch.cuda.device_count()
    with pytest.raises(UserError, match=rf"There are {there} GPUs here, not {there + 2}\. .*--processes {there + 2} "):
        checks.check_gpus(None, there + 2)
    checks.check_gpus("cpu", there + 2)


def test_checkpointed_activations_need_blocks_that_are_known(settings: Settings) -> None:
    changes = {"vision": "poolformer_s12", "vision_strategy": "bitfit", "activation_checkpointing": True}
    with pytest.raises(UserError, match=r"--activation-checkpointing does not fit the tower poolformer_s12: it is not"):
        checks.check_strategies(resolve(settings(**changes)))


def batcher_of(captions: int) -> Batcher:
    entries = [Entry((str(n),), (), str(n), (n,)) for n in range(captions)]
    return Batcher(entries, lambda texts: [[1] for _ in texts], 128, 1, 0.0, 0)


@pytest.mark.parametrize(("captions", "fits"), [(200, 128), (130, 128), (3, 2)])
def test_a_batch_larger_than_the_data_is_told_with_one_that_fits(captions: int, fits: int) -> None:
    with pytest.raises(UserError, match=rf"an epoch has {captions}\. Use --batch-size {fits} or less, or train more"):
        checks.check_batch(RunConfig(lang="sw", batch_size=256), batcher_of(captions))
    checks.check_batch(RunConfig(lang="sw", batch_size=fits), batcher_of(captions))


def test_a_small_data_set_is_one_batch_of_the_default_size() -> None:
    checks.check_batch(RunConfig(lang="sw"), batcher_of(5))


def test_a_bridge_without_any_english_is_told() -> None:
    entries = [Entry((str(n),), (), str(n), (n,)) for n in range(10)]
    batcher = Batcher(entries, lambda texts: [[1] for _ in texts], 4, 1, 0.0, 0, bridge=True)
    with pytest.raises(UserError, match=r"--bridge en: not one caption of qu comes with an English one"):
        checks.check_batch(RunConfig(lang="qu", batch_size=4, bridge="en"), batcher)
    with pytest.raises(UserError, match=r"--bridge en leads to a language that is trained itself"):
        checks.check_batch(RunConfig(lang="qu+en", batch_size=4, bridge="en"), batcher)
