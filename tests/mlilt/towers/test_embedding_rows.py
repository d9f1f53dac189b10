"""Training the rows alone that the data reaches comes to the same as training the whole embedding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel, BertConfig, XLMRobertaConfig

from mlilt.learned import learned, load_learned
from mlilt.towers.embedding_rows import EmbeddingRows, train_rows, word_embedding

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
# More positions than words, as no published model has: the word embedding is not known by its size.
CONFIGS = [
    BertConfig(vocab_size=60, max_position_embeddings=200, pad_token_id=0, **SHAPE),
    XLMRobertaConfig(vocab_size=60, max_position_embeddings=200, **SHAPE),
]
REACHED = torch.tensor([40, 7, 9, 7, 12, 33, 1, 0])


def encoder_of(config: Any) -> Any:
    torch.manual_seed(0)
    return AutoModel.from_config(config, add_pooling_layer=False).eval()


def steps(encoder: Any, count: int) -> torch.Tensor:
    """Real steps on the reached ids; the padding id is among them, masked as in training."""
    optimizer = torch.optim.AdamW([p for p in encoder.parameters() if p.requires_grad], lr=1e-2, weight_decay=0)
    generator = torch.Generator().manual_seed(1)
    pad = encoder.config.pad_token_id
    words = torch.tensor([i for i in REACHED.unique().tolist() if i != pad])
    for _ in range(count):
        ids = words[torch.randint(len(words), (4, 6), generator=generator)]
        ids[0, 4:] = pad
        mask = (ids != pad).long()
        optimizer.zero_grad()
        hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        ((hidden * mask[..., None]).sum(1)[:, :8].square().sum() + hidden[:, 0].prod(-1).sum()).backward()
        optimizer.step()
    everything = torch.arange(60).reshape(6, 10)
    with torch.inference_mode():
        outputs: torch.Tensor = encoder(
            input_ids=everything, attention_mask=torch.ones_like(everything)
        ).last_hidden_state
    return outputs


@pytest.mark.parametrize("config", CONFIGS, ids=["bert", "xlm-r"])
def test_training_rows_comes_to_the_same_as_training_all(config: Any) -> None:
    whole, part = encoder_of(config), encoder_of(config)
    before = whole.get_input_embeddings().weight.detach().clone()
    assert train_rows(part, REACHED) == "embeddings.word_embeddings"
    torch.testing.assert_close(steps(part, 5), steps(whole, 5), rtol=1e-5, atol=1e-5)
    rows: EmbeddingRows = part.get_input_embeddings()
    weight = whole.get_input_embeddings().weight.detach()
    torch.testing.assert_close(rows(torch.arange(60)), weight, rtol=1e-5, atol=1e-5)
    # What is not reached keeps its bytes in both; the padding's row has no gradient.
    pad = config.pad_token_id
    still = torch.tensor([i for i in range(60) if i not in REACHED.tolist() or i == pad])
    assert torch.equal(weight[still], before[still])
    assert torch.equal(rows(still), before[still])
    assert not torch.equal(rows(torch.tensor([7])), before[7:8])
    assert rows.ids.tolist() == sorted(set(REACHED.tolist()) - {pad})


def test_only_rows_and_their_places_are_kept_with_a_run_and_load_again() -> None:
    one, other = encoder_of(CONFIGS[0]), encoder_of(CONFIGS[0])
    train_rows(one, REACHED)
    expected = steps(one, 2)
    kept = learned(one)
    assert {name for name in kept if "word_embeddings" in name} == {
        "embeddings.word_embeddings.rows",
        "embeddings.word_embeddings.ids",
    }
    train_rows(other, kept["embeddings.word_embeddings.ids"])
    load_learned(other, kept)
    assert torch.equal(steps(other, 0), expected)


def test_a_frozen_embedding_is_left_as_it_is() -> None:
    encoder = encoder_of(CONFIGS[0]).requires_grad_(False)
    assert word_embedding(encoder) is None
    assert train_rows(encoder, REACHED) is None
    assert type(encoder.get_input_embeddings()) is nn.Embedding


def test_an_embedding_of_a_models_own_class_is_left_as_it_is() -> None:
    """It may do more than look up: Gemma's, for one, scales what it finds."""

    class Scaled(nn.Embedding):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return super().forward(ids) * 4

    encoder = encoder_of(CONFIGS[0])
    encoder.set_input_embeddings(Scaled(60, 16))
    expected = steps(encoder, 0)
    assert train_rows(encoder, REACHED) is None
    assert torch.equal(steps(encoder, 0), expected)
