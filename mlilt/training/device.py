"""Which device and precision a run uses, and what of the machine is worth writing down."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

from data_prep import workers
from data_prep.errors import UserError


def choose_device(wanted: str, local_rank: int = 0) -> torch.device:
    """auto, cpu or cuda -> a device; of several GPUs the one of this process on its machine.

    Raises:
        UserError: cuda was asked for and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("There is no CUDA device here. Use --device cpu or auto; `mlilt doctor` says what there is.")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise UserError(
            f"Process {local_rank} of this machine has no GPU of its own: there are {torch.cuda.device_count()}. Start "
            "no more processes than that, or use --device cpu."
        )
    return torch.device("cuda", local_rank)


def has_fast_bf16(device: torch.device) -> bool:
    """True if the hardware multiplies bfloat16 matrices faster than float32 ones."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = cpu_flags()
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & flags)


def cpu_flags() -> set[str]:
    """The CPU's features as Linux names them; empty elsewhere."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return set(line.split(":", 1)[1].split())
    return set()


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """auto, fp32 or bf16 -> the dtype of matrix products."""
    if wanted == "auto":
        wanted = "bf16" if has_fast_bf16(device) else "fp32"
    return torch.bfloat16 if wanted == "bf16" else torch.float32


def store_frozen(module: nn.Module, dtype: torch.dtype) -> None:
    """Keeps frozen weights of linear layers in `dtype` for good.

    Autocast would cast them in each step: the products are the same, the time and half the memory are saved.
    """
    if dtype == torch.float32:
        return
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            for parameter in layer.parameters(recurse=False):
                if not parameter.requires_grad:
                    parameter.data = parameter.data.to(dtype)


def make_repeatable(device: torch.device, seed: int) -> None:
    """The same seed gives the same weights on the same machine."""
    torch.manual_seed(seed)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there is no memory left, on a GPU or beside the CPU."""
    # The CPU's allocator has no kind of error of its own.
    said = ("can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in str(error) for words in said)


class PeakMemory:
    """Peak resident memory from now on; on Linux the process's high-water mark is set back."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._since_start = True
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
            self._since_start = False
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def rss(self) -> int:
        """Bytes; where the mark cannot be set back, since the process started."""
        if not self._since_start:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        unit = 1 if platform.system() == "Darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def cuda(self) -> int | None:
        """Bytes on the GPU; None on a CPU."""
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else None


def machine() -> dict[str, Any]:
    """Hardware and system, without the machine's own name."""
    return {
        "cpu": cpu_name(),
        "cores": workers.cores(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
    }


def cpu_name() -> str:
    """What the processor calls itself."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


# Distributions that decide a run's outcome.
_DECIDING = ("mlilt", "torch", "transformers", "timm", "openvino", "peft", "tokenizers", "numpy", "datasets")


def versions() -> dict[str, str]:
    """Versions of what decides a run's outcome, as far as it is installed."""
    return {"python": platform.python_version(), **installed(_DECIDING)}


def installed(names: Iterable[str]) -> dict[str, str]:
    """Versions of distributions, without those that are not there."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
