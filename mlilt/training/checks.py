"""What can be known to be wrong before any weight is loaded."""

from __future__ import annotations

from data_prep.errors import UserError
from mlilt import strategies
from mlilt.config import FROZEN, RunConfig
from mlilt.strategies import Account
from mlilt.towers import blueprint
from mlilt.training.batching import Batcher


def check_strategies(config: RunConfig, offline: bool = False) -> tuple[Account, Account]:
    """Applies both towers' strategies to their architectures alone, on the meta device.

    Returns:
        The account of the text tower and that of the vision tower.

    Raises:
        UserError: an unknown tower; a strategy that finds nothing to train there, or does not fit it.
    """
    text = strategies.apply(
        strategies.load(config.strategy),
        blueprint.text(config.text, offline=offline),
        config.always_freeze,
        f"the text tower {config.text}",
    )
    vision = strategies.apply(
        strategies.load(config.vision_strategy or FROZEN),
        blueprint.vision(config.vision, offline=offline),
        config.vision_always_freeze,
        f"the vision tower {config.vision}",
    )
    return text, vision


def check_processes(config: RunConfig, processes: int) -> None:
    """Whether so many processes can share a batch.

    Raises:
        UserError: the batch cannot be divided by them.
    """
    if config.batch_size % processes:
        below = config.batch_size - config.batch_size % processes
        near = " or ".join(str(size) for size in (below, below + processes) if size >= max(2, processes))
        raise UserError(
            f"{processes} processes cannot share a batch of {config.batch_size} captions evenly. Use --batch-size "
            f"{near}: it counts the captions of all processes together."
        )


def check_batch(config: RunConfig, batcher: Batcher) -> None:
    """Whether the data fills a batch, and a bridge has an other end.

    Raises:
        UserError: it does not.
    """
    # Up to the default nobody chose it for its size: then a small data set is one batch.
    if config.batch_size > max(batcher.captions, RunConfig.model_fields["batch_size"].default):
        raise UserError(
            f"A batch of {config.batch_size} captions is larger than the data set: an epoch has {batcher.captions}. "
            f"Use --batch-size {_below(batcher.captions)} or less, or train more languages together (--lang twice)."
        )
    if config.bridge and not any(entry.english for entry in batcher.entries):
        raise UserError(f"--bridge {config.bridge}: not one caption of {config.lang} comes with an English one.")


def _below(count: int) -> int:
    """The largest power of two that is not above."""
    return 1 << (count.bit_length() - 1)
