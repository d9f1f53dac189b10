"""Every strategy in the folder, and compositions, held to one contract on small real towers of every family."""

from __future__ import annotations

import copy
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from data_prep.errors import UserError
from mlilt import learned, strategies

NAMES = strategies.names()
TEXT = ["bert", "xlm-r", "distilbert", "deberta-v2", "modernbert"]
VISION = ["test_vit", "test_vit2", "eva02_tiny_patch14_224", "swin_tiny_patch4_window7_224"]
CNNS = ["test_efficientnet", "test_resnet", "test_convnext", "test_byobnet"]
TOWERS = [*TEXT, *VISION, *CNNS]
# What a tower has nothing of: ModernBERT has no biases, a CNN no attention.
UNFIT = {
    ("bitfit", "modernbert"),
    *(("attention", cnn) for cnn in CNNS),
    *(("mlp", cnn) for cnn in CNNS if cnn != "test_convnext"),
}
COMPOSED = [
    ("adapter-deep+layernorm", "xlm-r"),
    ("adapter-layerwise+layernorm", "test_convnext"),
    ("adapter-deep+adapter-layerwise+append-layer+layernorm", "bert"),
    ("adapter-deep+adapter-layerwise+append-layer+layernorm", "test_efficientnet"),
    ("adapter-deep+ln-tuning+lora", "test_vit"),
    ("adapter-deep+ln-tuning+lora", "modernbert"),
    ("adapter-layerwise+dora+ln-tuning", "test_resnet"),
    ("append-layer+lora", "modernbert"),
    ("attention+dora", "bert"),
    ("bitfit+ia3+ln-tuning", "test_vit2"),
    ("ia3+last-k:k=1+layernorm", "distilbert"),
    ("attention+mlp+random-sublayer:seed=3", "test_vit"),
]
PAIRS = [(name, tower) for tower in TOWERS for name in NAMES if (name, tower) not in UNFIT] + COMPOSED
# Softmax does not see what is added to all keys alike: the gradient of a key's bias is zero but for rounding.
KEY_BIASES = re.compile(r"(key|k_lin|key_proj|k_proj)(\.base_layer)?\.bias$")


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {n: t.detach().clone() for n, t in [*module.named_parameters(), *module.named_buffers()]}


def applied(module: nn.Module, spec: str, seed: int = 2) -> strategies.Account:
    torch.manual_seed(seed)
    return strategies.apply(strategies.load(spec), module, name="the small tower")


@dataclass
class Trained:
    """A tower with a strategy after real steps of the optimizer that runs use, and what it was before."""

    spec: str
    small: Any
    module: nn.Module
    account: strategies.Account
    untouched: torch.Tensor
    start: torch.Tensor
    before: dict[str, torch.Tensor]


@pytest.fixture(scope="module", params=PAIRS, ids=[f"{tower}-{spec}" for spec, tower in PAIRS])
def trained(request: pytest.FixtureRequest, small: Callable[[str], Any]) -> Trained:
    spec, name = request.param
    tower = small(name)
    module = tower.build()
    with torch.no_grad():
        untouched = tower.vectors(module)
        account = applied(module.train(), spec)
        start = tower.vectors(module)
    before = tensors(module)
    torch.manual_seed(3)
    # Together with a projection, as runs have one.
    head = nn.Linear(start.shape[1], 8)
    weights = list(strategies.trained_parameters(module).values())
    optimizer = torch.optim.AdamW([*weights, *head.parameters()], lr=1e-3, weight_decay=0, fused=True)
    target = torch.randn(len(start), 8)
    for _ in range(4):
        optimizer.zero_grad()
        (head(tower.vectors(module)) - target).square().sum().backward()
        optimizer.step()
    return Trained(spec, tower, module, account, untouched, start, before)


def test_the_folder_holds_the_papers_strategies() -> None:
    papers = {"frozen", "layernorm", "bitfit", "adapter-deep", "adapter-layerwise", "append-layer", "attention", "mlp"}
    assert papers | {"last-k", "random-sublayer", "lora", "dora", "ia3", "ln-tuning", "full"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is_and_which_paper_it_comes_from(name: str) -> None:
    text = importlib.import_module(f"mlilt.strategies.{name.replace('-', '_')}").__doc__
    assert re.search(r"arXiv:\d{4}\.\d{5}", text)
    assert re.search(r"\b(19|20)\d\d\b", text)
    assert strategies.summary(name) == text.splitlines()[0]
    assert strategies.summary(name).endswith(".")
    assert 1e-4 <= strategies.load(name).learning_rate <= 3e-3
    assert all(option.about for option in strategies.options(name))


def test_changes_no_output_at_the_start_and_leaves_the_tower_in_eval_mode(trained: Trained) -> None:
    assert not [n for n, module in trained.module.named_modules() if module.training]
    if "append-layer" in trained.spec and trained.small.is_post_norm:
        # Two LayerNorms more cannot be the identity.
        cosine = torch.nn.functional.cosine_similarity(trained.start, trained.untouched)
        assert 0.9995 < cosine.min() < 1
    else:
        torch.testing.assert_close(trained.start, trained.untouched, rtol=1e-4, atol=1e-5)


def test_account_names_exactly_what_trains(trained: Trained) -> None:
    account, module = trained.account, trained.module
    assert account.trained == {n: p.numel() for n, p in module.named_parameters() if p.requires_grad}
    assert account.total == sum(p.numel() for p in module.parameters())
    assert account.count == sum(account.trained.values())
    assert account.share == account.count / account.total
    assert (account.count == 0) == (trained.spec == "frozen")


def test_all_that_trains_moves_and_what_is_frozen_keeps_its_bytes(trained: Trained) -> None:
    after = tensors(trained.module)
    assert after.keys() == trained.before.keys()
    weights = set(trained.account.trained)
    assert {n for n in weights if trained.module.get_parameter(n).grad is None} == set()
    moved = {n for n in after if not torch.equal(after[n], trained.before[n])}
    assert moved - weights == set()
    assert {n for n in weights - moved if not KEY_BIASES.search(n)} == set()


def test_what_a_run_saves_gives_equal_outputs_on_a_fresh_tower(trained: Trained, tmp_path: Path) -> None:
    learned.save_weights(trained.module, tmp_path / "w.safetensors", {"format": "1"})
    kept, _ = learned.read_weights(tmp_path / "w.safetensors")
    assert {n: t.numel() for n, t in kept.items()} == trained.account.trained
    again = trained.small.build()
    # Whatever the generator drew: what was trained is all that counts.
    applied(again, trained.spec, seed=99)
    learned.load_learned(again, kept)
    assert torch.equal(trained.small.vectors(again), trained.small.vectors(trained.module))


def test_a_copy_is_independent(trained: Trained) -> None:
    own = trained.small.vectors(trained.module).detach()
    twin = copy.deepcopy(trained.module)
    assert torch.equal(trained.small.vectors(twin), own)
    for parameter in strategies.trained_parameters(twin).values():
        parameter.data.mul_(1.1).add_(0.05)
    assert torch.equal(trained.small.vectors(trained.module), own)
    if trained.spec != "frozen":
        assert not torch.allclose(trained.small.vectors(twin), own)


def test_trains_the_same_on_the_meta_device(trained: Trained) -> None:
    module = trained.small.build("meta")
    account = applied(module, trained.spec)
    assert account == trained.account
    assert all(p.is_meta for p in module.parameters())


@pytest.mark.parametrize(("name", "tower"), sorted(UNFIT))
def test_a_tower_with_nothing_to_train_is_told_with_what_would_train(
    name: str, tower: str, small: Callable[[str], Any]
) -> None:
    with pytest.raises(UserError, match=rf"strategy {name} finds nothing to train in the small tower: ") as caught:
        applied(small(tower).build("meta"), name)
    listed = str(caught.value).partition("What would train something there: ")[2].rstrip(".").split(", ")
    assert set(listed) == {n for n in NAMES if n != "frozen" and (n, tower) not in UNFIT}


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("spec", ["adapter-deep", "adapter-layerwise", "append-layer", "adapter-deep+append-layer"])
def test_additions_change_no_name_and_replace_no_module(tower: str, spec: str, small: Callable[[str], Any]) -> None:
    module = small(tower).build("meta")
    before = dict(module.named_modules())
    parameters = dict(module.named_parameters())
    applied(module, spec)
    assert {n: m for n, m in module.named_modules() if n in before} == before
    assert {n: p for n, p in module.named_parameters() if n in parameters} == parameters


BERT, VIT = r"LayerNorm\.(weight|bias)$", r"norm\d?\.(weight|bias)$"
ATTENTION = r"(attention\.self\.(query|key|value)|attention\.output\.dense)\.(weight|bias)$"


@pytest.mark.parametrize(
    ("tower", "spec", "pattern"),
    [
        ("bert", "layernorm", BERT),
        ("test_vit", "layernorm", VIT),
        ("test_resnet", "layernorm", r"(bn\d|conv1\.[14]|downsample\.2)\.(weight|bias)$"),
        ("test_convnext", "layernorm", r"(norm|stem\.1|downsample\.0)\.(weight|bias)$"),
        ("bert", "bitfit", r"bias$"),
        ("eva02_tiny_patch14_224", "bitfit", r"bias$"),
        ("bert", "attention", ATTENTION),
        ("test_vit", "attention", r"attn\.(qkv|proj)\.(weight|bias)$"),
        (
            "swin_tiny_patch4_window7_224",
            "attention",
            r"attn\.(relative_position_bias_table|(qkv|proj)\.(weight|bias))$",
        ),
        ("bert", "mlp", r"layer\.\d\.(intermediate|output)\.dense\.(weight|bias)$"),
        ("modernbert", "mlp", r"mlp\.W[io]\.weight$"),
        ("test_vit", "mlp", r"mlp\.fc[12]\.(weight|bias)$"),
        ("bert", "last-k:k=1", r"encoder\.layer\.1\."),
        ("test_vit", "last-k", r"^(blocks\.[45]|norm)\."),
        ("test_resnet", "last-k:k=3", r"^layer[234]\.0\."),
        ("test_convnext", "last-k:k=3", r"^(stages\.3\.blocks\.[01]|stages\.2\.blocks\.3|head\.norm)\."),
        ("modernbert", "last-k:k=1", r"^(layers\.2|final_norm)\."),
    ],
)
def test_the_names_that_train_are_those_of_the_papers_rule(
    tower: str, spec: str, pattern: str, small: Callable[[str], Any]
) -> None:
    everything = [n for n, _ in small(tower).build("meta").named_parameters()]
    trained = set(applied(small(tower).build("meta"), spec).trained)
    assert trained == {n for n in everything if re.search(pattern, n)} != set()


def test_layernorm_counts_models_own_norms() -> None:
    class LlamaRMSNorm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

    module = nn.Sequential(
        nn.LayerNorm(4), nn.RMSNorm(4), LlamaRMSNorm(), nn.BatchNorm1d(4), nn.GroupNorm(2, 4), nn.Linear(4, 4)
    )
    account = strategies.apply(strategies.load("layernorm"), module)
    assert {name.split(".")[0] for name in account.trained} == {"0", "1", "2", "3", "4"}
    assert account.count == 5 * 4 + 3 * 4


@pytest.mark.parametrize("tower", ["bert", "test_vit", "test_efficientnet"])
def test_random_sublayer_draws_one_layer_a_block_by_its_own_seed(tower: str, small: Callable[[str], Any]) -> None:
    from mlilt.strategies import _anatomy

    def drawn(spec: str, seed: int) -> set[str]:
        return {n.rpartition(".")[0] for n in applied(small(tower).build("meta"), spec, seed).trained}

    blocks = [name for name, _ in _anatomy.blocks(small(tower).build("meta"))]
    layers = drawn("random-sublayer", 1)
    assert [sum(layer.startswith(f"{block}.") for layer in layers) for block in blocks] == [1] * len(blocks)
    assert drawn("random-sublayer:seed=0", 7) == layers
    assert len({frozenset(drawn(f"random-sublayer:seed={seed}", 1)) for seed in range(8)}) > 1


def test_lora_adds_its_product_scaled_by_alpha_over_rank(small: Callable[[str], Any]) -> None:
    module = small("bert").build()
    layer = module.encoder.layer[0].intermediate.dense  # type: ignore[union-attr,index]
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    applied(module, "lora:rank=2,alpha=8")
    wrapped: Any = module.encoder.layer[0].intermediate.dense  # type: ignore[union-attr,index]
    down, up = wrapped.lora_A["default"].weight, wrapped.lora_B["default"].weight
    with torch.no_grad():
        up.normal_()
    x = torch.randn(3, 32)
    torch.testing.assert_close(wrapped(x), x @ (weight + 8 / 2 * up @ down).T + bias, rtol=1e-4, atol=1e-5)


def test_ia3_rescales_keys_values_and_inner_activations(small: Callable[[str], Any]) -> None:
    trained = applied(small("bert").build(), "ia3").trained
    assert trained == {
        f"encoder.layer.{n}.{where}.ia3_l.default": size
        for n in range(2)
        for where, size in (("attention.self.key", 32), ("attention.self.value", 32), ("output.dense", 48))
    }


@pytest.mark.parametrize(
    ("tower", "hosts"),
    [
        ("bert", ["encoder.layer.{n}.attention.output.dropout", "encoder.layer.{n}.output.dropout"]),
        ("distilbert", ["transformer.layer.{n}.attention", "transformer.layer.{n}.ffn"]),
        ("modernbert", ["layers.{n}.attn", "layers.{n}.mlp"]),
        ("test_vit", ["blocks.{n}.norm1", "blocks.{n}.norm2"]),
    ],
)
def test_deep_adapters_stand_where_the_paper_puts_them(
    tower: str, hosts: list[str], small: Callable[[str], Any]
) -> None:
    trained = applied(small(tower).build("meta"), "adapter-deep").trained
    found = {name.split(".adapter_")[0] for name in trained}
    count = {"modernbert": 3, "test_vit": 6}.get(tower, 2)
    assert found == {host.format(n=n) for n in range(count) for host in hosts}


def test_a_deep_adapter_works_within_its_branch(small: Callable[[str], Any]) -> None:
    """By hand: BERT's sum and LayerNorm follow the adapter, a ViT's branch alone sees it."""
    module: Any = small("bert").build()
    applied(module, "adapter-deep")
    with torch.no_grad():
        for parameter in strategies.trained_parameters(module).values():
            parameter.normal_(std=0.3)
        output = module.encoder.layer[0].output
        adapter = output.dropout.adapter_after
        inner, stream = torch.randn(2, 5, 48), torch.randn(2, 5, 32)
        h = nn.functional.linear(inner, output.dense.weight, output.dense.bias)
        h = h + adapter.up(nn.functional.gelu(adapter.down(h)))
        torch.testing.assert_close(output(inner, stream), output.LayerNorm(h + stream))

        vit: Any = small("test_vit").build()
        applied(vit, "adapter-deep")
        for parameter in strategies.trained_parameters(vit).values():
            parameter.normal_(std=0.3)
        block, x = vit.blocks[0], torch.randn(2, 5, 64)

        def branch(x: torch.Tensor, norm: Any, rest: Any) -> torch.Tensor:
            adapter = norm.adapter_before
            adapted = x + adapter.up(nn.functional.gelu(adapter.down(x)))
            return x + rest(nn.functional.layer_norm(adapted, (64,), norm.weight, norm.bias, norm.eps))

        expected = branch(branch(x, block.norm1, block.attn), block.norm2, block.mlp)
        torch.testing.assert_close(block(x), expected)


def test_a_convolutional_blocks_adapter_leaves_the_way_around_it_alone(small: Callable[[str], Any]) -> None:
    module: Any = small("test_resnet").build()
    applied(module, "adapter-deep")
    block = module.layer2[0]
    adapter = block.conv1.adapter_before
    with torch.no_grad():
        adapter.up.weight.normal_(std=0.3)
        x = torch.rand(2, 32, 8, 8)
        adapted = x + adapter.up(nn.functional.gelu(adapter.down(x)))
        h = block.act1(block.bn1(nn.functional.conv2d(adapted, block.conv1.weight, stride=2, padding=1)))
        expected = block.act2(block.bn2(block.conv2(h)) + block.downsample(x))
        torch.testing.assert_close(block(x), expected)


def test_the_appended_layer_is_new_and_used(small: Callable[[str], Any]) -> None:
    for tower, top, new in [
        ("bert", "encoder.layer.1", "encoder.layer.2"),
        ("modernbert", "layers.2", "layers.3"),
        ("test_vit", "blocks.5", "blocks.6"),
    ]:
        module: Any = small(tower).build()
        applied(module, "append-layer")
        own, fresh = module.get_submodule(top), dict(module.get_submodule(new).named_parameters())
        same = [n for n, p in own.named_parameters() if torch.equal(p, fresh[n])]
        assert same == []
        with torch.no_grad():
            before = small(tower).vectors(module)
            for parameter in fresh.values():
                parameter.add_(torch.randn_like(parameter))
            assert not torch.allclose(small(tower).vectors(module), before)


def test_an_appended_layer_leaves_settings_that_are_another_models_too_alone(small: Callable[[str], Any]) -> None:
    from transformers import AutoModel

    config = small("modernbert").build("meta").config
    one, other = AutoModel.from_config(config), AutoModel.from_config(config)
    applied(one, "append-layer")
    assert other.config.num_hidden_layers == 3
    assert one.config.num_hidden_layers == 4
    assert one.config.layer_types == [*other.config.layer_types, other.config.layer_types[-1]]
    assert {id(m.config) for m in one.modules() if hasattr(m, "config")} == {id(one.config)}


def test_a_block_that_changes_its_shape_is_appended_as_one_that_does_not(small: Callable[[str], Any]) -> None:
    module: Any = small("test_efficientnet").build("meta")
    applied(module, "append-layer")
    old, new = module.blocks[4][0], module.blocks[4][1]
    assert (old.conv_pw.in_channels, old.conv_dw.stride, old.has_skip) == (48, (2, 2), False)
    assert (new.conv_pw.in_channels, new.conv_dw.stride, new.has_skip) == (64, (1, 1), True)
