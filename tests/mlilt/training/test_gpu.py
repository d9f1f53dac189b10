"""Training on a real GPU; without one these tests are skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mlilt
from mlilt import config as configs
from mlilt import record
from mlilt.config import RunConfig
from mlilt.towers import text
from mlilt.training import loop

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device on this machine")


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "layernorm"},
        {"strategy": "full", "activation_checkpointing": True},
        {"strategy": "lora", "vision_strategy": "full", "chunk_size": 16},
        {"strategy": "layernorm", "compile": True},
        {"strategy": "layernorm", "vision_strategy": "layernorm", "kind": "cnn"},
    ],
    ids=["layernorm", "full", "both towers in chunks", "compiled", "a CNN"],
)
def test_a_run_trains_in_bfloat16_and_repeats_on_the_same_gpu(
    changes: dict[str, Any],
    settings: Callable[..., RunConfig],
    tiny: dict[str, str],
    tiny_eyes: dict[str, str],
    tmp_path: Path,
) -> None:
    kind = changes.pop("kind", "vit")
    config = settings(text=tiny["xlm-r"], vision=tiny_eyes[kind], precision="bf16", device="cuda", **changes)
    runs = [loop.train(config, out=tmp_path / str(n), progress=False) for n in range(2)]
    assert runs[0].device == "cuda"
    assert runs[0].costs.peak_cuda_bytes > 0
    assert runs[0].weights_sha256 == runs[1].weights_sha256
    assert mlilt.load(tmp_path / "0").encode_text(["mbwa"]).shape == (1, 64)


def test_the_gpu_trains_the_weights_that_the_cpu_trains(
    settings: Callable[..., RunConfig],
    tiny: dict[str, str],
    tmp_path: Path,
    steady: dict[str, float],
    same_weights: Callable[[Path, Path, float], None],
) -> None:
    for device in ("cpu", "cuda"):
        config = settings(text=tiny["mbert"], strategy="bitfit", device=device, epochs=1, **steady)
        loop.train(config, out=tmp_path / device, progress=False)
    same_weights(tmp_path / "cpu", tmp_path / "cuda", 2e-3)


def test_attention_is_fused_on_the_gpu(tiny: dict[str, str]) -> None:
    tower = text.load(tiny["mbert"])
    tower.settle(torch.device("cuda"))
    assert tower.encoder.config._attn_implementation == "sdpa"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are not two CUDA devices on this machine")
def test_two_gpus_train_together(settings: Callable[..., RunConfig], tiny: dict[str, str], tmp_path: Path) -> None:
    configs.write(settings(text=tiny["mbert"], batch_size=32, epochs=1, device="cuda"), tmp_path / "config.toml")
    command = ["train", "--config", str(tmp_path / "config.toml"), "--out", str(tmp_path / "run"), "--gpus", "2"]
    done = subprocess.run([sys.executable, "-m", "mlilt", *command], env=os.environ, check=False)
    assert done.returncode == 0
    assert record.read(tmp_path / "run").processes == 2
