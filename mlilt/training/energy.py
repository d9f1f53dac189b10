"""Energy that training takes: as the hardware counts it; where that cannot be read, an estimate; else left out.

- RAPL: processors count the energy of their packages, and of memory where they have that counter; Linux shows the
  counts in /sys/class/powercap (kernel documentation, "Power Capping Framework"), on most systems to root alone.
- NVML: NVIDIA's GPUs count theirs from Volta on (NVML API reference, nvmlDeviceGetTotalEnergyConsumption).
- codecarbon's estimate: this process's CPU time times the processor's rated power, and memory by its size.

Counters are of the whole package or GPU: they count what runs beside, and what is drawn at rest.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import torch

POWERCAP = Path("/sys/class/powercap")
# Counters of 32 bits and 15 microjoules come round after 65 kJ: at 400 W in less than three minutes.
_LOOK_S = 30.0
_JOULES_PER_KWH = 3.6e6
_THEN = ", then "
# codecarbon's words for how it knows of the processor, in ours; others are what it read.
_WAYS = {"cpu_load": "load and rated power", "constant": "rated power"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy, and how it is known: "RAPL", "NVML", "NVML + RAPL", or "estimate (...)"; both None if it is not."""

    kwh: float | None = None
    source: str | None = None


class _Meter(Protocol):
    """Measures one stretch after the other. Any method may raise where there is nothing to measure by."""

    @property
    def source(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> float:
        """Joules since the last start."""
        ...


class EnergyMeter:
    """Adds up the energy of the stretches between `start` and `stop`, or of a `with` block. Never raises.

    What can be read is found beside the caller's other work: it takes codecarbon a second or two, which the first
    `start` waits for if it must.

    On a GPU the GPUs are counted, and the processors too where RAPL can be read; on a CPU, RAPL or an estimate.

    Args:
        device: where the run trains.
        gpus: so many of this machine's GPUs train the run.
        earlier: what the run has taken before this process; None if nothing. Where that is unknown so is the sum.
        powercap: where Linux shows RAPL's counters.
    """

    def __init__(
        self, device: torch.device, gpus: int = 1, earlier: Energy | None = None, powercap: Path = POWERCAP
    ) -> None:
        self.earlier = earlier
        self._joules = 0.0
        self._found: list[_Meter] = []
        self._finding = threading.Thread(target=self._find, args=(device, gpus, powercap), daemon=True)
        self._finding.start()
        self._running = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins a stretch, or goes on with one that runs."""
        if self._running:
            return
        self._running = True
        self._finding.join()
        try:
            for meter in self._found:
                meter.start()
        except Exception:
            self._found = []

    def stop(self) -> Energy:
        """Ends the stretch, if one runs; returns the energy of all, and what was taken earlier."""
        if self._running:
            self._running = False
            try:
                self._joules += sum([meter.stop() for meter in self._found])
            except Exception:
                self._found = []
        self._finding.join()
        if not self._found:
            return Energy()
        here = Energy(self._joules / _JOULES_PER_KWH, " + ".join(meter.source for meter in self._found))
        return here if self.earlier is None else _sum(self.earlier, here)

    def _find(self, device: torch.device, gpus: int, powercap: Path) -> None:
        self._found = _meters(device, gpus, powercap)


def _sum(first: Energy, second: Energy) -> Energy:
    if first.kwh is None or first.source is None or second.kwh is None or second.source is None:
        return Energy()
    sources = dict.fromkeys([*first.source.split(_THEN), second.source])
    return Energy(first.kwh + second.kwh, _THEN.join(sources))


def _meters(device: torch.device, gpus: int, powercap: Path) -> list[_Meter]:
    """What can be read of what trains the run; nothing if the larger part of it cannot."""
    rapl = _made(lambda: Rapl(powercap))
    first = _made(lambda: Nvml(gpus)) if device.type == "cuda" else rapl or _made(Estimate)
    return list(dict.fromkeys(meter for meter in (first, rapl) if meter is not None)) if first is not None else []


def _made(make: Callable[[], T]) -> T | None:
    try:
        return make()
    except Exception:
        return None


class Rapl:
    """The processor packages' counters, and their memory's.

    Raises:
        OSError: there are none, or they cannot be read.
    """

    source = "RAPL"

    def __init__(self, powercap: Path = POWERCAP) -> None:
        # Cores and uncore are part of a package, packages of psys; memory is of its own.
        self._files = sorted(
            folder / "energy_uj"
            for folder in powercap.glob("intel-rapl:*")
            if (name := (folder / "name").read_text().strip()) == "dram" or name.startswith("package")
        )
        if not self._files:
            raise FileNotFoundError(powercap)
        self._ranges = [int((file.parent / "max_energy_range_uj").read_text()) for file in self._files]
        self._counts = self._read()
        self._microjoules = 0
        self._lock = threading.Lock()
        self._failed = False
        self._stopped = threading.Event()
        self._watch = threading.Thread()

    def start(self) -> None:
        """Begins to count, and looks at the counters now and then lest one comes round twice."""
        self._counts = self._read()
        self._microjoules = 0
        self._stopped = threading.Event()
        self._watch = threading.Thread(target=self._keep_looking, args=(self._stopped,), daemon=True)
        self._watch.start()

    def stop(self) -> float:
        """Joules since the start."""
        self._stopped.set()
        self._watch.join()
        self.look()
        if self._failed:
            raise OSError("a counter could not be read")
        return self._microjoules / 1e6

    def look(self) -> None:
        """Adds what the counters have counted since the last look."""
        with self._lock:
            counts = self._read()
            passed = zip(self._counts, counts, self._ranges, strict=True)
            self._microjoules += sum(now - then + (span if now < then else 0) for then, now, span in passed)
            self._counts = counts

    def _read(self) -> list[int]:
        return [int(file.read_text()) for file in self._files]

    def _keep_looking(self, stopped: threading.Event) -> None:
        while not stopped.wait(_LOOK_S):
            try:
                self.look()
            except (OSError, ValueError):
                self._failed = True
                return


class Nvml:
    """The counters of this machine's first GPUs, as torch counts them.

    Raises:
        ImportError: nvidia-ml-py is not installed.
        Exception: NVML's and torch's own errors: no driver, a GPU that does not count, a part of a GPU (MIG).
    """

    source = "NVML"

    def __init__(self, gpus: int) -> None:
        import pynvml

        self._nvml: Any = pynvml
        pynvml.nvmlInit()
        # CUDA_VISIBLE_DEVICES changes torch's numbers and not NVML's.
        identifiers = [torch.cuda.get_device_properties(number).uuid for number in range(gpus)]
        self._gpus = [pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}") for uuid in identifiers]
        self._millijoules = self._read()

    def start(self) -> None:
        """Begins to count."""
        self._millijoules = self._read()

    def stop(self) -> float:
        """Joules since the start."""
        return (self._read() - self._millijoules) / 1e3

    def _read(self) -> int:
        return sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) for gpu in self._gpus)


class Estimate:
    """codecarbon's figures for this process: its processor time and its machine's memory. It writes and sends nothing.

    Raises:
        ImportError: codecarbon is not installed.
        Exception: whatever codecarbon raises.
    """

    def __init__(self) -> None:
        from codecarbon import OfflineEmissionsTracker

        logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
        self._tracker: Any = OfflineEmissionsTracker(
            # Decides emissions alone, which are not asked for.
            country_iso_code="USA",
            tracking_mode="process",
            output_methods=[],
            emissions_endpoint=None,
            electricitymaps_api_token=None,
            allow_multiple_runs=True,
            log_level="critical",
        )
        self._stretches = itertools.count()
        self._stretch = ""
        # Finds the hardware, which takes seconds the first time.
        self.start()
        self.stop()
        modes = [part._mode for part in self._tracker._hardware if hasattr(part, "_mode")]
        ways = ", ".join(f"CPU by {_WAYS.get(mode, mode)}" for mode in modes)
        self.source = f"estimate (codecarbon: {ways or 'CPU'}, memory by size)"

    def start(self) -> None:
        """Begins to watch."""
        self._stretch = f"stretch {next(self._stretches)}"
        self._tracker.start_task(self._stretch)

    def stop(self) -> float:
        """Joules since the start."""
        taken = self._tracker.stop_task(self._stretch)
        return float(taken.cpu_energy + taken.ram_energy) * _JOULES_PER_KWH
