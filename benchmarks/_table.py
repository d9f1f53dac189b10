"""How figures are printed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from data_prep.card import table
from mlilt.training import device


def machine() -> str:
    """The machine and the versions, in a line."""
    facts, versions = device.machine(), device.versions()
    flags = sorted(flag for flag in device.cpu_flags() if "bf16" in flag or flag in {"avx2", "avx512f"})
    return (
        f"{facts['cpu']}, {facts['cores']} cores ({', '.join(flags)}), {facts['memory_gb']:g} GB, GPU: {facts['gpu']}; "
        f"python {versions['python']}, torch {versions['torch']}, transformers {versions['transformers']}"
    )


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median, with the smallest and the largest."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def show(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a Markdown table."""
    print(table(header, rows), flush=True)
