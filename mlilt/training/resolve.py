"""Settings with nothing left open: what `auto` and defaults come to on this machine."""

from __future__ import annotations

import torch

from mlilt import strategies
from mlilt.config import RunConfig
from mlilt.training.device import choose_device, choose_precision


def resolve(config: RunConfig) -> RunConfig:
    """The settings with learning rate, device and precision as they will be used; a run's file holds these.

    Raises:
        UserError: an unknown strategy, or a device that is not there.
    """
    # Looked up even where a rate is given: a name that is not there should be told at once.
    suits = strategies.load(config.strategy).learning_rate
    device = choose_device(config.device)
    dtype = choose_precision(config.precision, device)
    return config.model_copy(
        update={
            "lr": config.lr or suits,
            "device": device.type,
            "precision": "bf16" if dtype == torch.bfloat16 else "fp32",
        }
    )
