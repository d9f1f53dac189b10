"""Every strategy in the folder is held to one contract, on small real encoders; counts against closed formulas."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel, BertConfig, XLMRobertaConfig

from data_prep.errors import UnknownNameError, UserError
from mlilt import learned, strategies

NAMES = strategies.names()
SMALL = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}
SMALL_CONFIGS = {"bert": BertConfig(**SMALL), "xlm-r": XLMRobertaConfig(**SMALL, type_vocab_size=1)}
# The published shapes.
CONFIGS = {
    "bert-base": BertConfig(),
    "mbert": BertConfig(vocab_size=119_547),
    "xlm-r-base": XLMRobertaConfig(vocab_size=250_002, max_position_embeddings=514, type_vocab_size=1),
    "e5-small": BertConfig(
        vocab_size=250_037, hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536
    ),
}


@pytest.fixture(params=sorted(SMALL_CONFIGS))
def make(request: pytest.FixtureRequest) -> Any:
    """A function that makes the same random encoder each time."""

    def build() -> nn.Module:
        torch.manual_seed(0)
        model: nn.Module = AutoModel.from_config(SMALL_CONFIGS[request.param], add_pooling_layer=False)
        # Fresh biases are all 0 and norms all 1: a mistake in copying them would not show.
        for parameter in model.parameters():
            parameter.data += torch.randn_like(parameter) * 0.02
        return model.eval()

    return build


IDS = torch.randint(3, 120, (6, 9), generator=torch.Generator().manual_seed(1))


def vectors(encoder: nn.Module) -> torch.Tensor:
    hidden: torch.Tensor = encoder(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    return hidden.mean(1)


def applied(encoder: nn.Module, name: str, **options: Any) -> strategies.Account:
    torch.manual_seed(2)
    return strategies.apply(strategies.load(name, **options), encoder)


def train(encoder: nn.Module, steps: int = 3) -> None:
    """Real steps of the optimizer that runs use, together with a projection as runs have one."""
    torch.manual_seed(3)
    head = nn.Linear(32, 8)
    trained = list(strategies.trained_parameters(encoder).values())
    optimizer = torch.optim.AdamW([*trained, *head.parameters()], lr=1e-2, weight_decay=0.02, fused=True)
    target = torch.randn(6, 8)
    for _ in range(steps):
        optimizer.zero_grad()
        (head(vectors(encoder)) - target).square().sum().backward()
        optimizer.step()


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {n: t.detach().clone() for n, t in [*module.named_parameters(), *module.named_buffers()]}


def test_the_folder_is_not_empty_and_holds_the_papers_strategies() -> None:
    assert {"frozen", "layernorm", "bitfit", "lora", "full"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is_and_which_paper_it_comes_from(name: str) -> None:
    text = importlib.import_module(f"mlilt.strategies.{name.replace('-', '_')}").__doc__
    assert re.search(r"arXiv:\d{4}\.\d{5}", text)
    assert re.search(r"\b(19|20)\d\d\b", text)
    assert strategies.summary(name) == text.splitlines()[0]
    assert strategies.summary(name).endswith(".")
    assert 0 < strategies.load(name).learning_rate < 1


@pytest.mark.parametrize("name", NAMES)
def test_applying_changes_no_output_and_leaves_the_tower_in_eval_mode(make: Any, name: str) -> None:
    encoder = make().train()
    applied(encoder, name)
    assert not [n for n, module in encoder.named_modules() if module.training]
    torch.testing.assert_close(vectors(encoder), vectors(make()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_account_names_exactly_what_trains(make: Any, name: str) -> None:
    encoder = make()
    account = applied(encoder, name)
    assert account.trained == {n: p.numel() for n, p in encoder.named_parameters() if p.requires_grad}
    assert account.total == sum(p.numel() for p in encoder.parameters())
    assert account.count == sum(account.trained.values())
    assert account.share == account.count / account.total


@pytest.mark.parametrize("name", NAMES)
def test_what_trains_moves_and_what_is_frozen_keeps_its_bytes(make: Any, name: str) -> None:
    encoder = make()
    trained = set(applied(encoder, name).trained)
    before = tensors(encoder)
    train(encoder)
    after = tensors(encoder)
    assert after.keys() == before.keys()
    assert {n for n in trained if encoder.get_parameter(n).grad is None} == set()
    assert {n for n in before if not torch.equal(before[n], after[n])} == trained


@pytest.mark.parametrize("name", NAMES)
def test_what_a_run_saves_is_what_trained_and_loads_to_equal_outputs(make: Any, name: str, tmp_path: Path) -> None:
    encoder = make()
    account = applied(encoder, name)
    train(encoder)
    learned.save_weights(encoder, tmp_path / "w.safetensors", {"format": "1"})
    kept, _ = learned.read_weights(tmp_path / "w.safetensors")
    assert {n: t.numel() for n, t in kept.items()} == account.trained
    again = make()
    applied(again, name)
    learned.load_learned(again, kept)
    assert torch.equal(vectors(again), vectors(encoder))


def counted(c: Any, name: str, rank: int = 8) -> tuple[int, int]:
    """Trained and all parameters of a BERT-like encoder without pooler, by counting on paper."""
    h, f, layers = c.hidden_size, c.intermediate_size, c.num_hidden_layers
    linears = [(h, h)] * 4 + [(h, f), (f, h)]
    norms = 2 * h * (1 + 2 * layers)
    dense = layers * sum(i * o + o for i, o in linears)
    total = h * (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) + norms + dense
    low_rank = layers * sum(rank * (i + o) for i, o in linears)
    biases = layers * sum(o for _, o in linears) + norms // 2
    trained = {"frozen": 0, "layernorm": norms, "bitfit": biases, "lora": low_rank, "full": total}[name]
    return trained, total + (low_rank if name == "lora" else 0)


@pytest.mark.parametrize("config", sorted(CONFIGS))
@pytest.mark.parametrize("name", ["frozen", "layernorm", "bitfit", "lora", "full"])
def test_counts_on_the_published_shapes_are_those_of_the_formula(config: str, name: str) -> None:
    with torch.device("meta"):
        encoder = AutoModel.from_config(CONFIGS[config], add_pooling_layer=False)
    account = strategies.apply(strategies.load(name), encoder)
    assert (account.count, account.total) == counted(CONFIGS[config], name)


@pytest.mark.parametrize(("name", "pattern"), [("layernorm", r"LayerNorm\.(weight|bias)$"), ("bitfit", r"\.bias$")])
def test_the_names_that_train_are_those_of_the_papers_rule(make: Any, name: str, pattern: str) -> None:
    everything = [n for n, _ in make().named_parameters()]
    assert set(applied(make(), name).trained) == {n for n in everything if re.search(pattern, n)}


def test_layernorm_counts_other_norms_and_leaves_batchnorm_alone() -> None:
    class LlamaRMSNorm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

    module = nn.Sequential(nn.LayerNorm(4), nn.RMSNorm(4), LlamaRMSNorm(), nn.BatchNorm1d(4), nn.GroupNorm(2, 4))
    account = strategies.apply(strategies.load("layernorm"), module)
    assert set(account.trained) == {"0.weight", "0.bias", "1.weight", "2.weight"}


def test_options_reach_a_strategy(make: Any) -> None:
    account = applied(make(), "lora", rank=3, alpha=6)
    assert account.count == counted(SMALL_CONFIGS["bert"], "lora", rank=3)[0]


def test_lora_adds_its_product_scaled_by_alpha_over_rank() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 7))
    weight = module[0].weight.detach().clone()
    applied(module, "lora", rank=2, alpha=8)
    down, up = (p for n, p in sorted(strategies.trained_parameters(module).items()))
    with torch.no_grad():
        up.normal_()
    x = torch.randn(3, 5)
    layer = module[0]
    expected = x @ (weight + 8 / 2 * up @ down).T + layer.base_layer.bias
    torch.testing.assert_close(module(x), expected)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no strategy named 'layernrom'. Did you mean layernorm"):
        strategies.load("layernrom")


def test_a_private_module_is_no_strategy() -> None:
    with pytest.raises(UnknownNameError):
        strategies.load("_base")


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_a_strategy_does_not_have_is_named(name: str) -> None:
    with pytest.raises(UserError, match=rf"strategy {name} was given options it does not have: .*'colour'"):
        strategies.load(name, colour="red")
