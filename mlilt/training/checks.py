"""What can be known to be wrong before any weight is loaded."""

from __future__ import annotations

import torch

from data_prep.errors import UserError
from mlilt.config import RunConfig
from mlilt.model import apply_strategies
from mlilt.strategies import Account
from mlilt.strategies._anatomy import blocks
from mlilt.towers import blueprint
from mlilt.training.batching import Batcher


def check_strategies(config: RunConfig, offline: bool = False) -> tuple[Account, Account]:
    """Applies both towers' strategies to their architectures alone, on the meta device.

    Returns:
        The account of the text tower and that of the vision tower.

    Raises:
        UserError: an unknown tower; a strategy that finds nothing to train there, or does not fit it.
    """
    language = blueprint.text(config.text, offline=offline)
    eyes = blueprint.vision(config.vision, offline=offline)
    text, vision = apply_strategies(config, language, eyes)
    for trains, tower, name in ((text.trained, language, config.text), (vision.trained, eyes, config.vision)):
        if trains and config.activation_checkpointing:
            try:
                blocks(tower)
            except UserError as error:
                raise UserError(f"--activation-checkpointing does not fit the tower {name}: {error}.") from error
    return text, vision


def check_gpus(device: object, gpus: int) -> None:
    """Whether there are so many GPUs; `device` as the settings have it, which need not be checked yet.

    Raises:
        UserError: there are fewer, and the settings do not say to use the CPU.
    """
    there = torch.cuda.device_count()
    if device != "cpu" and gpus > there:
        fewer = f"Use --gpus {there}" if there else "Leave out --gpus"
        raise UserError(
            f"There are {there} GPUs here, not {gpus}. {fewer}, or train in {gpus} processes on the CPU with "
            f"--processes {gpus} --device cpu."
        )


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
    # The default is nobody's choice: a data set that is smaller is one batch.
    chosen = config.batch_size != RunConfig.model_fields["batch_size"].default
    if chosen and config.batch_size > batcher.captions:
        raise UserError(
            f"A batch of {config.batch_size} captions is larger than the data set: an epoch has {batcher.captions}. "
            f"Use --batch-size {_below(batcher.captions)} or less, or train more languages together "
            "(--lang sw --lang yo)."
        )
    if config.bridge in config.languages:
        raise UserError(f"--bridge {config.bridge} leads to a language that is trained itself. Leave out one of them.")
    if config.bridge and not any(entry.english for entry in batcher.entries):
        raise UserError(f"--bridge {config.bridge}: not one caption of {config.lang} comes with an English one.")


def _below(count: int) -> int:
    """The largest power of two that is not above."""
    return 1 << (count.bit_length() - 1)
