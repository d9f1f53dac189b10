"""Checkpoints: what was kept comes back, what is damaged or dangerous is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from data_prep.errors import UserError
from mlilt.training import checkpoint


def test_a_checkpoint_comes_back_with_an_optimizers_state(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.randn(3, 2))
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    weight.square().sum().backward()
    optimizer.step()
    checkpoint.save(tmp_path, {"step": 7, "weight": weight.detach(), "optimizer": optimizer.state_dict()})
    found = checkpoint.read(tmp_path)
    assert found is not None
    assert found["step"] == 7
    assert torch.equal(found["weight"], weight)
    assert torch.equal(found["optimizer"]["state"][0]["exp_avg_sq"], optimizer.state[weight]["exp_avg_sq"])
    assert [p.name for p in tmp_path.iterdir()] == [checkpoint.CHECKPOINT]


def test_none_is_there_before_the_first_and_after_removal(tmp_path: Path) -> None:
    assert checkpoint.read(tmp_path) is None
    checkpoint.save(tmp_path, {"step": 1})
    (tmp_path / f"{checkpoint.CHECKPOINT}.part").write_bytes(b"half")
    checkpoint.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_wrote_halfway_leaves_the_earlier_one(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"step": 1})
    (tmp_path / f"{checkpoint.CHECKPOINT}.part").write_bytes(b"half")
    assert checkpoint.read(tmp_path) == {"step": 1}
    checkpoint.save(tmp_path, {"step": 2})
    assert checkpoint.read(tmp_path) == {"step": 2}


@pytest.mark.parametrize("keep", [0, 10, -20])
def test_a_damaged_one_is_an_error_that_says_what_to_do(tmp_path: Path, keep: int) -> None:
    checkpoint.save(tmp_path, {"weight": torch.randn(100)})
    path = tmp_path / checkpoint.CHECKPOINT
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"checkpoint\.pt is damaged.*Start anew with --force"):
        checkpoint.read(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_wrong_byte_among_its_numbers_is_noticed(tmp_path: Path, share: float) -> None:
    checkpoint.save(tmp_path, {"weight": torch.randn(10_000)})
    path = tmp_path / checkpoint.CHECKPOINT
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 4
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"is damaged: .*is not what was written.*Start anew with --force"):
        checkpoint.read(tmp_path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    (tmp_path / checkpoint.CHECKPOINT).write_bytes(pickle.dumps(Code(), protocol=2))
    with pytest.raises(UserError, match="is damaged"):
        checkpoint.read(tmp_path)
    assert not (tmp_path / "ran").exists()
