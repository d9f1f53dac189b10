"""Device, precision, repeatability, and what is written down of the machine."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt.training.device import (
    PeakMemory,
    choose_device,
    choose_precision,
    has_fast_bf16,
    machine,
    make_repeatable,
    store_frozen,
    versions,
)

CPU = torch.device("cpu")


def test_the_device_asked_for_is_used_and_auto_takes_a_gpu_where_there_is_one() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UserError, match=r"no CUDA device here\. Use --device cpu"):
        choose_device("cuda")


def test_the_precision_asked_for_is_used_and_auto_follows_the_hardware() -> None:
    assert choose_precision("fp32", CPU) == torch.float32
    assert choose_precision("bf16", CPU) == torch.bfloat16
    assert choose_precision("auto", CPU) == (torch.bfloat16 if has_fast_bf16(CPU) else torch.float32)


def test_frozen_linear_weights_are_stored_as_autocast_would_cast_them_with_equal_outputs() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 4), nn.Embedding(3, 2))
    module[:2].requires_grad_(False)
    module[2].bias.requires_grad_(False)
    x = torch.randn(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        before = module[:3](x)
    store_frozen(module, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        after = module[:3](x)
    kept = {name for name, p in module.named_parameters() if p.dtype == torch.bfloat16}
    assert kept == {"0.weight", "0.bias", "2.bias"}
    assert torch.equal(after, before)


def test_in_float32_nothing_is_stored_otherwise() -> None:
    module = nn.Linear(2, 2).requires_grad_(False)
    store_frozen(module, torch.float32)
    assert module.weight.dtype == torch.float32


def test_a_seed_repeats_initial_weights() -> None:
    drawn = []
    for seed in (1, 1, 2):
        make_repeatable(CPU, seed)
        drawn.append(nn.Linear(4, 4).weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.skipif(platform.system() != "Linux", reason="the high-water mark is set back on Linux alone")
def test_peak_memory_counts_what_was_given_back_and_starts_anew() -> None:
    def use(megabytes: int) -> int:
        memory = PeakMemory(CPU)
        before = memory.rss()
        np.ones(megabytes << 17)
        return memory.rss() - before

    assert use(300) >= 280 << 20
    assert use(50) < 150 << 20
    assert PeakMemory(CPU).cuda() is None


def test_the_record_of_the_machine_names_versions_and_hardware_but_not_the_machine() -> None:
    found = versions()
    assert found["torch"] == importlib.metadata.version("torch")
    assert found["python"] == platform.python_version()
    about = machine()
    assert about["cores"] >= 1
    assert about["threads"] == torch.get_num_threads()
    assert platform.node() not in {str(value) for value in about.values()}


LIMITED = """
import psutil, resource, sys
from mlilt.cli.main import main
from mlilt.training import loop

def train(self, *arguments):
    # From here on what the process has, and a little more.
    there = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (there + 100_000_000, resource.RLIM_INFINITY))
    return begin(self, *arguments)

begin, loop._Run._train = loop._Run._train, train
sys.argv = ["mlilt", *sys.argv[1:]]
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is limited so on Linux alone")
def test_a_batch_that_does_not_fit_is_answered_with_the_flag_to_lower(small_sw: Prepared, tmp_path: Path) -> None:
    settings = ["--lang", "sw", "--data", str(small_sw.folder), "--strategy", "full", "--precision", "fp32"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "train", *settings, "--offline", "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert "There is not enough memory on cpu for 128 captions" in done.stderr
    assert "--chunk-size 64" in done.stderr
    assert "Traceback" not in done.stderr
