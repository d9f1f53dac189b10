"""Trains only those rows of a word embedding that the training data can reach; the outcome is the same.

A multilingual vocabulary has 250,000 rows, a small data set uses a few thousand. AdamW leaves a row alone that
never has a gradient and no weight decay: training these rows only gives what training all gives, without the
time and the memory for gradients and moments of the rest.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn


class EmbeddingRows(nn.Module):
    """An embedding of which some rows train.

    Attributes:
        weight: the whole embedding, frozen; float of shape (vocabulary, width).
        rows: the rows that train, a parameter of shape (len(ids), width).
        ids: which rows they are, int64, ascending.
    """

    learned_buffers: ClassVar[tuple[str, ...]] = ("ids",)
    weight: Tensor
    ids: Tensor
    place: Tensor

    def __init__(self, embedding: nn.Embedding, ids: Tensor) -> None:
        super().__init__()
        ids = torch.unique(ids).to(embedding.weight.device)
        if embedding.padding_idx is not None:
            # An embedding gives its padding row no gradient.
            ids = ids[ids != embedding.padding_idx]
        place = torch.full((embedding.num_embeddings,), -1, dtype=torch.int32, device=ids.device)
        place[ids] = torch.arange(len(ids), dtype=torch.int32, device=ids.device)
        self.register_buffer("weight", embedding.weight.detach(), persistent=False)
        self.register_buffer("ids", ids)
        self.register_buffer("place", place, persistent=False)
        self.rows = nn.Parameter(embedding.weight.detach()[ids].clone())

    def forward(self, input_ids: Tensor) -> Tensor:
        """int64 of any shape -> vectors, one dimension more."""
        place = self.place[input_ids]
        trained = self.rows[place.clamp_min(0)]
        return torch.where((place < 0).unsqueeze(-1), self.weight[input_ids], trained)


def word_embedding(encoder: nn.Module) -> tuple[str, nn.Embedding] | None:
    """Name and module of a `transformers` encoder's word embedding if it trains and is an ordinary one, else None."""
    embedding = encoder.get_input_embeddings()  # type: ignore[operator]
    # A model's own class may do more than look up, such as scale what it finds.
    if type(embedding) is not nn.Embedding or not embedding.weight.requires_grad:
        return None
    return next(name for name, module in encoder.named_modules() if module is embedding), embedding


def train_rows(encoder: nn.Module, ids: Tensor) -> str | None:
    """Replaces a trained word embedding by one that trains the rows `ids`; returns its name, None if there is none."""
    found = word_embedding(encoder)
    if found is None:
        return None
    name, embedding = found
    parent, _, leaf = name.rpartition(".")
    setattr(encoder.get_submodule(parent), leaf, EmbeddingRows(embedding, ids))
    return name
