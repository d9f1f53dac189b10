"""What happens to work that is disturbed: figures for docs/reliability.md. Each module prints one table."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def as_program(run: Callable[..., None], about: str | None, **given: float | str) -> None:
    """A module as a program: asks for what `run` takes, by name and with its default, and a seed."""
    parser = argparse.ArgumentParser(description=about)
    for name, default in {**given, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    run(**vars(parser.parse_args()))
