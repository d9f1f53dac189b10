"""AdamW with the learning rates of towers and projections, and their schedule."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from mlilt import strategies
from mlilt.alignment.dual_encoder import DualEncoder
from mlilt.config import RunConfig
from mlilt.towers.embedding_rows import EmbeddingRows

# Learning rates end at this share of their peak.
FINAL_LR = 0.01


def optimizer(dual: DualEncoder, config: RunConfig) -> torch.optim.Optimizer:
    """AdamW over all that trains. Matrices decay; embeddings, norms, biases, vectors and the temperature do not.

    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019 (arXiv:1711.05101).
    """
    rates = {"text": config.lr, "vision": config.vision_lr}
    spared = _spared(dual)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in strategies.trained_parameters(dual).items():
        lr = rates.get(name.partition(".")[0], config.projection_lr)
        assert lr is not None, "settings are resolved"
        matrix = sum(length > 1 for length in parameter.shape) > 1
        decay = config.weight_decay if matrix and id(parameter) not in spared else 0.0
        groups.setdefault((lr, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": g, "lr": lr, "peak_lr": lr, "weight_decay": decay} for (lr, decay), g in groups.items()],
        eps=config.adam_epsilon,
        fused=True,
    )


def _spared(dual: DualEncoder) -> set[int]:
    """Matrices that do not decay: embeddings, and what timm says of a vision model, such as its positions."""
    found = {
        id(p)
        for module in dual.modules()
        if isinstance(module, nn.Embedding | EmbeddingRows)
        for p in module.parameters(recurse=False)
    }
    model: Any = getattr(dual.vision, "model", None)
    if hasattr(model, "no_weight_decay"):
        names = dict(model.named_parameters())
        found |= {id(names[name]) for name in model.no_weight_decay() if name in names}
    return found


def schedule(step: int, total: int, warmup: float) -> float:
    """Learning rate as a share of its peak: linear warm-up, then a cosine down to `FINAL_LR`."""
    rising = max(1, round(warmup * total))
    if step < rising:
        return (step + 1) / rising
    place = (step - rising) / max(1, total - rising)
    return FINAL_LR + (1 - FINAL_LR) * (1 + math.cos(math.pi * place)) / 2
