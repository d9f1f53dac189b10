"""Captions in one row, against each caption by itself and against padding."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from mlilt import strategies
from mlilt.towers import packing, text
from mlilt.towers.text import TextTower
from mlilt.towers.tiles import TILE
from mlilt.training import activations

CPU = torch.device("cpu")
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


@pytest.mark.parametrize("folder", ["xlmr_folder", "mbert_folder"])
def test_an_encoder_that_packs_can_still_be_given_padding(folder: str, request: pytest.FixtureRequest) -> None:
    tower = text.load(str(request.getfixturevalue(folder)))
    ids = tower.tokenize(["mbwa", "bendera ya Kenya", "uso wenye tabasamu"])
    with torch.inference_mode():
        packed, padded = tower(ids), tower.pooled(*tower.pad(ids))
    torch.testing.assert_close(packed, padded, rtol=1e-4, atol=1e-5)


def test_linear_layers_compute_for_a_row_that_is_hardly_filled(xlmr_folder: Path) -> None:
    tower = text.load(str(xlmr_folder))
    ids = [[0, *range(5, 5 + n), 2] for n in (1, 1, 9, 4, 4, 4)]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        tower(ids)
    config = tower.encoder.config
    width, inner = config.hidden_size, config.intermediate_size
    # 35 tokens, 66 if all were padded to the longest.
    linear = 36 * (4 * width * width + 2 * width * inner)
    # They are in two tiles, and attention alone is computed for all of these.
    between = 2 * 2 * TILE**2 * width
    assert counter.get_total_flops() == 2 * config.num_hidden_layers * (linear + between)


@given(st.integers(0, 5000))
def test_a_row_is_filled_up_to_one_of_a_few_lengths(tokens: int) -> None:
    filled = packing._filled(tokens)
    assert 0 <= filled - tokens < TILE
    assert filled <= tokens * 17 / 16
    assert packing._filled(filled) == filled


def test_rows_of_a_few_hundred_tokens_have_sixteen_lengths() -> None:
    assert len({packing._filled(tokens) for tokens in range(257, 513)}) == 16


@pytest.mark.parametrize("tokens", [37, 38, 129, 255, 300])
def test_filling_takes_no_part(tokens: int, mbert_folder: Path) -> None:
    tower = text.load(str(mbert_folder))
    tower.encoder.double().requires_grad_(True)
    ids = [[2, *range(5, 5 + length), 3] for length in (tokens - 25, 9, 10)]
    assert sum(map(len, ids)) == tokens
    weights = torch.randn(len(ids), tower.width, generator=torch.Generator().manual_seed(tokens))
    found = []
    for packed in (True, False):
        tower.settle(CPU, packed)
        tower.zero_grad()
        vectors = tower(ids)
        (vectors * weights).sum().backward()
        grads = [p.grad.clone() for p in tower.encoder.parameters() if p.grad is not None]
        found.append([vectors.detach(), *grads])
    assert len(found[0]) > 20
    for one, other in zip(*found, strict=True):
        # Vectors and their gradient are float32.
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_an_encoder_whose_positions_are_not_known_is_given_padding() -> None:
    config = transformers.ElectraConfig(vocab_size=50, embedding_size=32, **SMALL)
    encoder = transformers.ElectraModel(config).eval()
    tokenizer = type("Tokenizer", (), {"pad_token_id": 0})()
    tower = TextTower(encoder, tokenizer, "electra", "mean", 64)
    tower.settle(CPU)
    assert encoder.config._attn_implementation == "eager"
    ids = [[2, 7, 3], [2, 7, 8, 9, 3], [2, 9, 3]]
    with torch.inference_mode():
        alone = torch.cat([encoder(input_ids=torch.tensor([each])).last_hidden_state.mean(1) for each in ids])
        torch.testing.assert_close(tower(ids), alone, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_as_near_to_float32_packed_as_padded(xlmr_folder: Path) -> None:
    tower = text.load(str(xlmr_folder))
    ids = tower.tokenize(["mbwa", "bendera ya Kenya", "uso wenye tabasamu pana", "gari"])
    with torch.inference_mode():
        exact = tower(ids)
        with torch.autocast("cpu", torch.bfloat16):
            packed = tower(ids)
        tower.settle(CPU, packed=False)
        with torch.autocast("cpu", torch.bfloat16):
            padded = tower(ids)
    assert (packed - exact).abs().max() <= 1.5 * (padded - exact).abs().max()


@pytest.mark.parametrize("folder", ["xlmr_folder", "mbert_folder"])
def test_all_between_blocks_is_in_the_precision_of_products(folder: str, request: pytest.FixtureRequest) -> None:
    tower = text.load(str(request.getfixturevalue(folder)))
    strategies.apply(strategies.load("layernorm"), tower.encoder, (), "it")
    given_: dict[str, torch.dtype] = {}
    for name, module in tower.encoder.named_modules():
        if isinstance(module, torch.nn.LayerNorm | torch.nn.Linear):
            module.register_forward_pre_hook(lambda _, given, name=name: given_.update({name: given[0].dtype}))
    with torch.autocast("cpu", torch.bfloat16):
        tower(tower.tokenize(["mbwa", "bendera ya Kenya"]))
    assert len(given_) > 10
    assert {name for name, dtype in given_.items() if dtype != torch.bfloat16} == {"embeddings.LayerNorm"}
    tower(tower.tokenize(["mbwa", "bendera ya Kenya"]))
    assert set(given_.values()) == {torch.float32}


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("strategy", [name for name in strategies.names() if name != "frozen"])
def test_every_strategy_has_the_gradient_that_padding_gives(
    strategy: str, checkpointed: bool, xlmr_folder: Path
) -> None:
    torch.manual_seed(0)
    tower = text.load(str(xlmr_folder))
    strategies.apply(strategies.load(strategy), tower.encoder, (), "it")
    if checkpointed:
        activations.checkpoint_blocks(tower.encoder)
    trained = strategies.trained_parameters(tower.encoder)
    # What is added begins as nothing, through which no gradient could be seen.
    with torch.no_grad():
        for parameter in trained.values():
            parameter.add_(torch.randn(parameter.shape) * 0.02)
    ids = tower.tokenize(["mbwa", "bendera ya Kenya", "uso wenye tabasamu pana", "gari", "paka"])
    weights = torch.randn(len(ids), tower.width)
    found = []
    for packed in (True, False):
        tower.settle(CPU, packed)
        tower.zero_grad()
        (tower(ids) * weights).sum().backward()
        found.append({name: p.grad.clone() for name, p in trained.items() if p.grad is not None})
    assert found[0].keys() == found[1].keys()
    assert found[0]
    for name, gradient in found[0].items():
        # The bias of keys adds the same to all scores of a token: its gradient is rounding alone.
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-3, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_a_tower_set_to_another_attention_is_given_padding(mbert_folder: Path) -> None:
    tower = text.load(str(mbert_folder))
    ids = tower.tokenize(["mbwa", "bendera ya Kenya"])
    with torch.inference_mode():
        packed = tower(ids)
        tower.encoder.set_attn_implementation("sdpa")  # type: ignore[operator]
        torch.testing.assert_close(tower(ids), packed, rtol=1e-4, atol=1e-5)


def test_a_pickled_tower_works_in_another_process(mbert_folder: Path, tmp_path: Path) -> None:
    tower = text.load(str(mbert_folder))
    (tmp_path / "tower.pickle").write_bytes(pickle.dumps(tower))
    code = (
        "import pickle, sys, torch; tower = pickle.load(open(sys.argv[1], 'rb'));"
        "torch.save(tower(tower.tokenize(['mbwa', 'bendera ya Kenya'])).detach(), sys.argv[2])"
    )
    files = tmp_path / "tower.pickle", tmp_path / "found.pt"
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True)
    with torch.inference_mode():
        torch.testing.assert_close(torch.load(files[1]), tower(tower.tokenize(["mbwa", "bendera ya Kenya"])))


def test_captions_without_any_token_are_given_padding(mbert_folder: Path) -> None:
    tower = text.load(str(mbert_folder))
    ids = [[], [2, 7, 3]]
    with torch.inference_mode():
        found = tower(ids)
    assert found.isfinite().all()
    assert (found[0] == 0).all()
