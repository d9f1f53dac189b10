"""Counters laid out as Linux does, and the real codecarbon."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import pytest
import torch

from mlilt.training import energy
from mlilt.training.energy import POWERCAP, Energy, EnergyMeter, Estimate, Rapl

CPU = torch.device("cpu")
SPAN = 262_143_328_850


class Powercap:
    """A folder like /sys/class/powercap with one package of cores and memory, and what must not be counted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.zones = {
            "intel-rapl:0": "package-0",
            "intel-rapl:0:0": "core",
            "intel-rapl:0:1": "dram",
            "intel-rapl:1": "psys",
            "intel-rapl-mmio:0": "package-0",
        }
        (folder / "intel-rapl").mkdir()
        for zone, name in self.zones.items():
            (folder / zone).mkdir()
            (folder / zone / "name").write_text(f"{name}\n")
            (folder / zone / "max_energy_range_uj").write_text(f"{SPAN}\n")
            self.set(zone, 1_000_000)

    def set(self, zone: str, microjoules: int) -> None:
        # At once, as the kernel shows it.
        partial = self.folder / zone / "partial"
        partial.write_text(f"{microjoules}\n")
        partial.replace(self.folder / zone / "energy_uj")

    def pass_on(self, package: int, memory: int) -> None:
        """Counts so many microjoules more, and much more in zones that are part of others."""
        for zone in self.zones:
            more = {"intel-rapl:0": package, "intel-rapl:0:1": memory}.get(zone, 10**9)
            self.set(zone, int((self.folder / zone / "energy_uj").read_text()) + more)


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    return Powercap(tmp_path)


@pytest.fixture
def without_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if codecarbon were not installed."""
    monkeypatch.setitem(sys.modules, "codecarbon", None)


def test_packages_and_memory_are_counted_between_start_and_stop_alone(powercap: Powercap) -> None:
    meter = EnergyMeter(CPU, powercap=powercap.folder)
    powercap.pass_on(5_000_000, 5_000_000)
    meter.start()
    powercap.pass_on(3_600_000_000, 900_000_000)
    assert meter.stop() == Energy(pytest.approx(1.25e-3), "RAPL")
    powercap.pass_on(7_000_000, 7_000_000)
    with meter:
        meter.start()
        powercap.pass_on(0, 900_000_000)
    assert meter.stop() == meter.stop() == Energy(pytest.approx(1.5e-3), "RAPL")


def test_a_counter_that_came_round_has_counted_its_whole_range(powercap: Powercap) -> None:
    powercap.set("intel-rapl:0", SPAN - 600_000)
    with EnergyMeter(CPU, powercap=powercap.folder) as meter:
        powercap.set("intel-rapl:0", 400_000)
    assert meter.stop().kwh == pytest.approx(1 / 3.6e6)


def test_counters_are_looked_at_now_and_then_lest_one_comes_round_twice(
    powercap: Powercap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "_LOOK_S", 0.001)
    rapl = Rapl(powercap.folder)
    powercap.set("intel-rapl:0", 0)
    rapl.start()
    for count in (SPAN // 2, 10, SPAN // 2, 20):
        powercap.set("intel-rapl:0", count)
        while rapl._counts[0] != count and rapl._watch.is_alive():
            time.sleep(0.001)
    assert rapl.stop() == pytest.approx((2 * SPAN + 20) / 1e6)


def test_a_counter_that_can_no_longer_be_read_leaves_the_energy_out(powercap: Powercap) -> None:
    meter = EnergyMeter(CPU, powercap=powercap.folder)
    meter.start()
    (powercap.folder / "intel-rapl:0:1" / "energy_uj").unlink()
    assert meter.stop() == Energy(None, None)
    powercap.set("intel-rapl:0:1", 0)
    meter.start()
    assert meter.stop() == Energy(None, None)


@pytest.mark.usefixtures("without_estimate")
def test_counters_that_are_absent_or_hold_no_number_leave_the_energy_out(tmp_path: Path) -> None:
    with EnergyMeter(CPU, powercap=tmp_path / "none") as meter:
        pass
    assert meter.stop() == Energy(None, None)
    damaged = Powercap(tmp_path)
    (damaged.folder / "intel-rapl:0" / "energy_uj").write_text("")
    assert EnergyMeter(CPU, powercap=tmp_path).stop() == Energy(None, None)


@pytest.mark.parametrize(
    ("earlier", "kwh", "source"),
    [
        (None, 1e-3, "RAPL"),
        (Energy(2e-3, "RAPL"), 3e-3, "RAPL"),
        (Energy(2e-3, "NVML"), 3e-3, "NVML, then RAPL"),
        (Energy(2e-3, "NVML, then RAPL"), 3e-3, "NVML, then RAPL"),
        (Energy(None, None), None, None),
    ],
)
def test_a_resumed_run_goes_on_adding_unless_its_earlier_energy_is_unknown(
    powercap: Powercap, earlier: Energy | None, kwh: float | None, source: str | None
) -> None:
    with EnergyMeter(CPU, earlier=earlier, powercap=powercap.folder) as meter:
        powercap.pass_on(3_600_000_000, 0)
    assert meter.stop() == Energy(kwh if kwh is None else pytest.approx(kwh), source)


@pytest.mark.usefixtures("without_estimate")
def test_a_resumed_run_whose_energy_can_no_longer_be_read_has_none(tmp_path: Path) -> None:
    with EnergyMeter(CPU, earlier=Energy(2e-3, "RAPL"), powercap=tmp_path) as meter:
        pass
    assert meter.stop() == Energy(None, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_does_not_count_is_not_replaced_by_its_processor(powercap: Powercap) -> None:
    with EnergyMeter(torch.device("cuda", 0), powercap=powercap.folder) as meter:
        powercap.pass_on(10**9, 10**9)
    assert meter.stop() == Energy(None, None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpus_own_counter_is_read(tmp_path: Path) -> None:
    pytest.importorskip("pynvml")
    x = torch.randn(4096, 4096, device="cuda")
    begun = time.perf_counter()
    with EnergyMeter(torch.device("cuda", 0), powercap=tmp_path) as meter:
        while time.perf_counter() - begun < 2:
            (x @ x).sum().item()
    taken = meter.stop()
    assert taken.source == "NVML"
    assert taken.kwh is not None
    # No GPU draws less than 5 W or more than 3 kW.
    watts = taken.kwh * 3.6e6 / (time.perf_counter() - begun)
    assert 5 < watts < 3000


@pytest.mark.skipif(importlib.util.find_spec("codecarbon") is None, reason="codecarbon is not installed")
def test_without_counters_codecarbon_estimates_silently_and_leaves_pauses_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    meter = EnergyMeter(CPU, powercap=tmp_path)
    _burn(0.3)
    with meter:
        _burn(0.3)
    _burn(0.3)
    with meter:
        _burn(0.3)
    taken = meter.stop()
    (estimate,) = meter._found
    assert isinstance(estimate, Estimate)
    assert taken.source is not None
    assert taken.source.startswith("estimate (codecarbon: CPU by ")
    # codecarbon's own total has the moment in which it looked for the hardware, too.
    total = estimate._tracker._total_energy.kWh
    assert taken.kwh is not None
    assert 0 < taken.kwh <= total
    if "load" in taken.source:
        # 0.6 seconds of one core at its share of the rated power: half of what was burnt.
        (processor,) = (part for part in estimate._tracker._hardware if hasattr(part, "_tdp"))
        joules = estimate._tracker._total_cpu_energy.kWh * 3.6e6
        assert joules == pytest.approx(0.6 * processor._tdp / processor._cpu_count, rel=0.3)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_where_linux_shows_counters_to_us_they_are_what_is_read() -> None:
    readable = [path for path in POWERCAP.glob("intel-rapl:*/energy_uj") if _can_read(path)]
    if not readable:
        pytest.skip("no counters that can be read")
    with EnergyMeter(CPU) as meter:
        _burn(0.5)
    taken = meter.stop()
    assert taken.source == "RAPL"
    assert taken.kwh is not None
    assert 0 < taken.kwh < 1


def _burn(seconds: float) -> None:
    """Keeps one core at work for so many seconds of its time."""
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        sum(range(1000))


def _can_read(path: Path) -> bool:
    try:
        return bool(path.read_text())
    except OSError:
        return False
