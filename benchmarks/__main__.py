"""Runs all benchmarks, or those named."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks._table import machine


def main() -> None:
    """Prints each benchmark's table as it is done."""
    there = [m for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_")]
    known = [m.name for m in there]
    # A package needs more than the tests do, and hours.
    named = sys.argv[1:] or [m.name for m in there if not m.ispkg]
    if unknown := sorted(set(named) - set(known)):
        sys.exit(f"There is no benchmark {', '.join(unknown)}. Known: {', '.join(known)}.")
    print(machine(), flush=True)
    for name in named:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n## {name}\n\n{' '.join((module.__doc__ or '').split())}\n", flush=True)
        module.run()


if __name__ == "__main__":
    main()
