"""Real processes that train together: the same outcome as one process with the whole batch."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from data_prep.errors import SaidElsewhere, UserError
from mlilt import config as configs
from mlilt import record
from mlilt.config import RunConfig
from mlilt.training import checks, loop
from mlilt.training.distributed import World

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "mlilt"]
MLILT = [sys.executable, "-m", "mlilt"]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(command: Sequence[str], **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, **changes}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def losses(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / record.METRICS).read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if "loss" in line]


def test_two_processes_of_32_captions_train_the_weights_that_one_of_64_trains(
    settings: Callable[..., RunConfig],
    tiny: dict[str, str],
    tiny_eyes: dict[str, str],
    tmp_path: Path,
    steady: dict[str, float],
    same_weights: Callable[[Path, Path, float], None],
) -> None:
    """Both towers train, with English as a bridge, in chunks; mlilt itself starts the processes."""
    config = settings(
        text=tiny["mbert"],
        vision=tiny_eyes["cnn"],
        strategy="layernorm",
        vision_strategy="layernorm",
        objective="siglip",
        bridge="en",
        batch_size=64,
        chunk_size=7,
        lr=1e-3,
        projection_lr=1e-3,
        device="cpu",
        **steady,
    )
    alone = loop.train(config, out=tmp_path / "alone", progress=False)
    configs.write(config, tmp_path / "config.toml")
    command = [*MLILT, "train", "--config", str(tmp_path / "config.toml"), "--out", str(tmp_path / "two"), "--json"]
    done = run([*command, "--processes", "2"])
    assert done.returncode == 0, done.stderr
    together = record.read(tmp_path / "two")
    # One process prints, and what it prints is the record.
    assert record.RunRecord.model_validate_json(done.stdout) == together
    assert (alone.processes, together.processes) == (1, 2)
    assert alone.config == together.config
    same_weights(tmp_path / "alone", tmp_path / "two", 1e-5)
    for step, other in zip(losses(tmp_path / "alone"), losses(tmp_path / "two"), strict=True):
        assert other["loss"] == pytest.approx(step["loss"], abs=2e-5)
        assert {k: other[k] for k in ("step", "pairs", "captions")} == {
            k: step[k] for k in ("step", "pairs", "captions")
        }
    # A folder of other settings is seen by the first process; both end, and one of them says why.
    failed = run([*command, "--processes", "2", "--epochs", "3"])
    assert failed.returncode == 2
    assert failed.stderr.count("is a run of other settings (epochs 2 -> 3)") == 1


def test_two_machines_train_together_by_the_documented_line(
    settings: Callable[..., RunConfig],
    tiny: dict[str, str],
    tmp_path: Path,
    steady: dict[str, float],
    same_weights: Callable[[Path, Path, float], None],
) -> None:
    """Two launchers that know nothing of each other but the first one's address; here both are on one machine."""
    config = settings(text=tiny["xlm-r"], batch_size=32, epochs=1, device="cpu", **steady)
    loop.train(config, out=tmp_path / "alone", progress=False)
    configs.write(config, tmp_path / "config.toml")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}"]
    command = ["-m", "mlilt", "train", "--config", str(tmp_path / "config.toml"), "--out", str(tmp_path / "two")]
    launchers = [
        subprocess.Popen([sys.executable, "-m", "torch.distributed.run", *line, *command], env=ENVIRONMENT)
        for _ in range(2)
    ]
    assert [launcher.wait(timeout=300) for launcher in launchers] == [0, 0]
    assert record.read(tmp_path / "two").processes == 2
    same_weights(tmp_path / "alone", tmp_path / "two", 1e-5)


def test_a_stopped_run_of_two_processes_goes_on_to_the_same_weights(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tmp_path: Path
) -> None:
    configs.write(settings(text=tiny["xlm-r"], batch_size=32), tmp_path / "config.toml")
    script = tmp_path / "stopping.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from mlilt import config\n"
        "from mlilt.training import loop, step\n"
        "backward, done = step.Step.backward, []\n"
        "def stop(self, *batches):\n"
        "    done.append(1)\n"
        "    if len(done) > int(sys.argv[3]):\n"
        "        sys.exit(3)\n"
        "    return backward(self, *batches)\n"
        "step.Step.backward = stop\n"
        "made = config.read(Path(sys.argv[1]))\n"
        "loop.train(made, out=sys.argv[2], resume=True, progress=False, checkpoint_every_s=0)\n"
    )
    launcher = [*TORCHRUN[:-2], str(script), str(tmp_path / "config.toml")]
    assert run([*launcher, str(tmp_path / "whole"), "999"]).returncode == 0
    assert run([*launcher, str(tmp_path / "stopped"), "3"]).returncode != 0
    assert 0 < torch.load(tmp_path / "stopped" / record.CHECKPOINT, weights_only=True)["step"] <= 3
    assert run([*launcher, str(tmp_path / "stopped"), "999"]).returncode == 0
    one, two = (load_file(tmp_path / name / record.WEIGHTS) for name in ("whole", "stopped"))
    assert {name: t.numpy().tobytes() for name, t in one.items()} == {n: t.numpy().tobytes() for n, t in two.items()}


@pytest.mark.parametrize(("batch", "processes", "said"), [(64, 3, "63 or 66"), (2, 4, "4")])
def test_a_batch_that_cannot_be_shared_is_told_with_sizes_that_can(batch: int, processes: int, said: str) -> None:
    with pytest.raises(
        UserError, match=rf"{processes} processes cannot share a batch of {batch} .* --batch-size {said}: it"
    ):
        checks.check_processes(RunConfig(lang="sw", batch_size=batch), processes)


def test_processes_that_cannot_share_the_batch_are_never_started(tmp_path: Path) -> None:
    command = ["train", "--lang", "sw", "--batch-size", "50", "--processes", "4", "--device", "cpu"]
    done = run([*MLILT, *command, "--data", str(tmp_path)])
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert "4 processes cannot share a batch of 50 captions evenly. Use --batch-size 48 or 52" in done.stderr


def test_an_interrupt_ends_all_processes_and_leaves_a_run_to_go_on_with(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tmp_path: Path
) -> None:
    configs.write(settings(text=tiny["mbert"], epochs=500, device="cpu"), tmp_path / "config.toml")
    command = [*MLILT, "train", "--config", str(tmp_path / "config.toml"), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        [*command, "--processes", "2"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while process.poll() is None and not (tmp_path / "run" / record.CHECKPOINT).exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGINT
    assert said.count("Stopped. What was done so far is kept: run the same command again with --resume") == 1
    assert "Traceback" not in said
    assert torch.load(tmp_path / "run" / record.CHECKPOINT, weights_only=True)["step"] > 0


def test_a_process_that_finds_no_others_says_how_to_start_them(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tmp_path: Path
) -> None:
    configs.write(settings(text=tiny["mbert"], batch_size=32, device="cpu"), tmp_path / "config.toml")
    done = run([*MLILT, "train", "--config", str(tmp_path / "config.toml")], WORLD_SIZE="2")
    assert done.returncode == 2
    assert "The 2 processes cannot reach each other" in done.stderr
    assert "Start them with torchrun" in done.stderr


GATHERS = """
import json, sys, torch
from pathlib import Path
from mlilt.training import distributed
from data_prep.errors import SaidElsewhere, UserError
with distributed.join(torch.device("cpu")) as world:
    counts = [3, 1]
    local = torch.arange(counts[world.rank] * 2.0).reshape(-1, 2) + 10 * world.rank
    gathered = world.gather(local, counts)
    total = [torch.full((2, 2), 1.0 + world.rank), torch.full((3,), 10.0 * world.rank).double()]
    world.add_up(total)
    shared = torch.full((2,), float(world.rank))
    world.share([shared])
    told = world.told(lambda: {"from": world.rank})
    try:
        world.told(lambda: (_ for _ in ()).throw(UserError("no room")))
    except UserError as error:
        said = [type(error).__name__, str(error)]
    found = [gathered.tolist(), [t.tolist() for t in total], shared.tolist(), told, said]
    Path(sys.argv[1], f"{world.rank}.json").write_text(json.dumps(found))
"""


def test_rows_are_gathered_sums_added_and_news_told_over_a_real_network(tmp_path: Path) -> None:
    (tmp_path / "gathers.py").write_text(GATHERS)
    done = run([*TORCHRUN[:-2], str(tmp_path / "gathers.py"), str(tmp_path)])
    assert done.returncode == 0, done.stderr
    # A file each: lines that two processes print at once run into each other.
    found = {rank: json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)}
    rows = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [10.0, 11.0]]
    same = [rows, [[[3.0, 3.0], [3.0, 3.0]], [10.0, 10.0, 10.0]], [0.0, 0.0], {"from": 0}]
    assert found == {0: [*same, ["UserError", "no room"]], 1: [*same, ["SaidElsewhere", "no room"]]}


def test_one_process_alone_needs_no_network() -> None:
    world = World()
    rows = torch.randn(3, 2)
    assert world.gather(rows, [3]) is rows
    world.add_up([rows])
    assert world.told(lambda: 5) == 5
    assert world.first
    assert issubclass(SaidElsewhere, UserError)
