"""What a strategy is, and the account of what it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import nn


class Strategy(Protocol):
    """Given a tower, decides what trains. It never touches the loop, the loss or the other tower.

    Attributes:
        learning_rate: peak learning rate that suits it, used where the user names none.
    """

    learning_rate: ClassVar[float]

    def unfreeze(self, tower: nn.Module) -> None:
        """Marks what trains (`requires_grad`); may wrap modules in place. Comes to a tower that is all frozen."""
        ...


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


def apply(strategy: Strategy, tower: nn.Module) -> Account:
    """Freezes a tower, lets the strategy unfreeze what it trains, and says what that was.

    The tower stays in eval mode: dropout is off and BatchNorm keeps its running statistics.
    """
    tower.requires_grad_(False)
    strategy.unfreeze(tower)
    tower.eval()
    return Account(
        trained={name: p.numel() for name, p in trained_parameters(tower).items()},
        total=sum(p.numel() for p in tower.parameters()),
    )


def trained_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that train, by name: exactly what a run saves."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}
