"""Ways to align a tower: each decides which of its parameters train, and may wrap modules. One module each.

The file name is the name. A module holds `STRATEGY`, a class made from its options.
"""

from __future__ import annotations

from typing import Any

from data_prep import registry
from data_prep.errors import UserError
from mlilt import strategies as _package
from mlilt.strategies._base import Account, Strategy, apply, trained_parameters

__all__ = ["Account", "Strategy", "apply", "load", "names", "summary", "trained_parameters"]


def names() -> list[str]:
    """Names of all strategies, sorted."""
    return registry.names(_package)


def load(name: str, **options: Any) -> Strategy:
    """The strategy with this name.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest names.
        UserError: an option it does not have.
    """
    made = registry.module(_package, name, "strategy").STRATEGY
    try:
        strategy: Strategy = made(**options)
    except TypeError as error:
        raise UserError(f"The strategy {name} was given options it does not have: {error}") from error
    return strategy


def summary(name: str) -> str:
    """First line of what the strategy's module says of itself."""
    return (registry.module(_package, name, "strategy").__doc__ or "").strip().splitlines()[0]
