"""What a run keeps of its model is loaded strictly."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from data_prep.errors import UserError
from mlilt.learned import learned, load_learned, read_weights, save_weights


class WithStatistics(nn.Module):
    """A frozen weight, a trained one, a buffer that counts and one that does not."""

    learned_buffers: ClassVar[tuple[str, ...]] = ("mean",)

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(2, 3).requires_grad_(False)
        self.trained = nn.Linear(3, 2, bias=False)
        self.register_buffer("mean", torch.randn(3))
        self.register_buffer("scratch", torch.randn(3))


def test_what_trained_and_buffers_set_from_the_data_are_kept_and_nothing_else() -> None:
    assert set(learned(nn.Sequential(WithStatistics()))) == {"0.trained.weight", "0.mean"}
    assert set(learned(WithStatistics())) == {"trained.weight", "mean"}


def test_saved_and_loaded_weights_are_equal_and_the_header_comes_back(tmp_path: Path) -> None:
    one, other = WithStatistics(), WithStatistics()
    size = save_weights(one, tmp_path / "w.safetensors", {"text": "abc"})
    tensors, about = read_weights(tmp_path / "w.safetensors")
    load_learned(other, tensors)
    assert about == {"text": "abc"}
    assert size == (tmp_path / "w.safetensors").stat().st_size
    assert all(torch.equal(t, learned(one)[n]) for n, t in learned(other).items())
    assert not torch.equal(one.frozen.weight, other.frozen.weight)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.update({"frozen.weight": torch.zeros(3, 2)}), "frozen.weight is too many"),
        (lambda t: t.pop("mean"), "mean is missing"),
        (lambda t: t.update({"mean": torch.zeros(4)}), r"mean is \(4,\) torch.float32, not \(3,\) torch.float32"),
        (
            lambda t: t.update({"mean": torch.zeros(3).half()}),
            r"mean is \(3,\) torch.float16, not \(3,\) torch.float32",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(
    change: Callable[[dict[str, Tensor]], object], said: str
) -> None:
    module = WithStatistics()
    tensors = {n: torch.zeros_like(t) for n, t in learned(module).items()}
    change(tensors)
    before = {n: t.clone() for n, t in module.state_dict().items()}
    with pytest.raises(UserError, match=said):
        load_learned(module, tensors)
    assert all(torch.equal(t, before[n]) for n, t in module.state_dict().items())


def test_all_that_does_not_fit_is_named_at_once() -> None:
    with pytest.raises(UserError, match=r"other is too many; mean is missing; trained.weight is missing$"):
        load_learned(WithStatistics(), {"other": torch.zeros(1)})


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_a_file_cut_short_is_an_error(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(WithStatistics(), path, {"format": "1"})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"w\.safetensors cannot be read.*Train the run again"):
        read_weights(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.safetensors cannot be read"):
        read_weights(tmp_path / "none.safetensors")


FULL_DISK = f"""
import resource, signal, sys
from pathlib import Path
import torch
from mlilt import learned
from mlilt.training import checkpoint
signal.signal({int(signal.SIGXFSZ)}, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
folder, module = Path(sys.argv[1]), torch.nn.Linear(200, 200)
for write in (lambda: learned.save_weights(module, folder / "w.safetensors", {{}}),
              lambda: checkpoint.save(folder, {{"weight": module.weight.detach()}})):
    try:
        write()
    except OSError as error:
        print("OSError", error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits a file's size as POSIX does")
def test_weights_and_checkpoints_that_do_not_fit_on_the_disk_are_an_os_error_and_leave_the_earlier_ones(
    tmp_path: Path,
) -> None:
    """Libraries report a full disk each in its own way; here a limit on file size stands for it."""
    for name in ("w.safetensors", "checkpoint.pt"):
        (tmp_path / name).write_bytes(b"earlier")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert "w.part" in said[0]
    assert "checkpoint.pt.part" in said[1]
    assert all((tmp_path / name).read_bytes() == b"earlier" for name in ("w.safetensors", "checkpoint.pt"))
