"""What a strategy is, the account of what it did, and what strategies share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from data_prep.errors import UserError

# In which order the parts of a composition are applied: each must still find the tower's own layers.
NEW_BLOCKS, MARKS, WRAPS, ADDITIONS = range(4)


class Strategy(Protocol):
    """Given a tower, decides what trains. It never touches the loop, the loss or the other tower.

    What follows is optional, as class attributes; a strategy that only marks parameters needs none of them.

    - `stage`: NEW_BLOCKS, MARKS (the default), WRAPS or ADDITIONS, its place in a composition.
    - `claims`: what it takes for itself; strategies that claim the same do not compose.
    - `alone`: why it composes with no other, as a sentence's end ("trains everything already").
    """

    @property
    def learning_rate(self) -> float:
        """Peak learning rate that suits it, used where the user names none."""
        ...

    def unfreeze(self, tower: nn.Module) -> None:
        """Marks what trains (`requires_grad`); may wrap or add modules in place. Comes to a tower that is all frozen.

        Raises:
            NothingToTrain: the tower has nothing of what it trains.
            UserError: its options do not fit the tower.
        """
        ...


class NothingToTrain(UserError):
    """The tower has nothing of what a strategy trains; the message says why, as a sentence without a full stop."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a strategy did to a tower.

    Attributes:
        trained: numbers of parameters by name, of all that trains.
        total: number of all parameters of the tower, added ones included.
    """

    trained: dict[str, int]
    total: int

    @property
    def count(self) -> int:
        """Number of trained parameters."""
        return sum(self.trained.values())

    @property
    def share(self) -> float:
        """Trained parameters as a share of all, 0 to 1."""
        return self.count / self.total


def trained_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that train, by name: exactly what a run saves."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def option(default: Any, about: str) -> Any:
    """A strategy's option: a dataclass field with a default and a line for the user."""
    return field(default=default, metadata={"about": about})


def train(parameters: Iterable[nn.Parameter], missing: str) -> None:
    """Marks parameters as trained.

    Raises:
        NothingToTrain: there are none; says `missing`.
    """
    parameters = list(parameters)
    if not parameters:
        raise NothingToTrain(missing)
    for parameter in parameters:
        parameter.requires_grad_(True)


def at_least(minimum: int, **options: int) -> None:
    """Raises a UserError for an option below its minimum."""
    for name, value in options.items():
        if value < minimum:
            raise UserError(f"The option {name} must be {minimum} or more, not {value}.")
