"""Applying: blocks that are always frozen, towers that do not fit, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import timm
import torch
from torch import nn

from data_prep.errors import UserError
from mlilt import strategies
from mlilt.towers import blueprint


def trained(module: nn.Module, spec: str, always_freeze: list[int]) -> set[str]:
    return set(strategies.apply(strategies.load(spec), module, always_freeze, "it").trained)


@pytest.mark.parametrize(
    ("tower", "freeze", "kept"),
    [
        ("bert", [0], r"^encoder\.layer\.0\."),
        ("bert", [-1], r"^encoder\.layer\.1\."),
        ("test_vit", [0, 2, -1], r"^blocks\.[025]\."),
        ("test_resnet", [1, -1], r"^layer[24]\."),
        ("test_efficientnet", [-2, 3], r"^blocks\.3\."),
    ],
)
@pytest.mark.parametrize("spec", ["layernorm", "adapter-deep+bitfit", "lora", "full", "adapter-layerwise"])
def test_nothing_trains_in_blocks_always_frozen_and_the_rest_is_as_ever(
    tower: str, freeze: list[int], kept: str, spec: str, small: Callable[[str], Any]
) -> None:
    everything = trained(small(tower).build("meta"), spec, [])
    assert trained(small(tower).build("meta"), spec, freeze) == {n for n in everything if not re.search(kept, n)}


def test_an_appended_block_is_not_counted(small: Callable[[str], Any]) -> None:
    names = trained(small("bert").build("meta"), "append-layer+layernorm", [-1, 0])
    assert {n.split(".LayerNorm")[0] for n in names if "encoder.layer.2." not in n} == {"embeddings"}
    assert any("encoder.layer.2." in n for n in names)


@pytest.mark.parametrize("number", [6, -7])
def test_a_block_that_is_not_there_is_named_with_those_that_are(number: int, small: Callable[[str], Any]) -> None:
    with pytest.raises(UserError, match=rf"block {number} of it, which has 6 blocks: 0 to 5, or -1 .* to -6"):
        trained(small("test_vit").build("meta"), "layernorm", [0, number])


def test_if_all_of_it_is_always_frozen_that_is_said(small: Callable[[str], Any]) -> None:
    with pytest.raises(
        UserError, match=r"attention finds nothing to train in it: always_freeze keeps all of it"
    ) as caught:
        trained(small("bert").build("meta"), "attention", [0, 1])
    # The embeddings still have norms and biases.
    assert set(str(caught.value).partition("there: ")[2].rstrip(".").split(", ")) == {
        "append-layer",
        "bitfit",
        "full",
        "layernorm",
        "ln-tuning",
    }
    assert trained(small("bert").build("meta"), "frozen", [0, 1]) == set()


def test_a_part_of_a_composition_that_finds_nothing_is_named(small: Callable[[str], Any]) -> None:
    message = (
        r"The strategy attention\+layernorm finds nothing to train in it: its blocks have no attention "
        r"\(that part is attention\)\. What would train something there: .*layernorm"
    )
    with pytest.raises(UserError, match=message):
        trained(small("test_resnet").build("meta"), "layernorm+attention", [])


def test_more_top_blocks_than_there_are_is_an_error(small: Callable[[str], Any]) -> None:
    with pytest.raises(UserError, match=r"last-k:k=7 is more than the 6 blocks"):
        trained(small("test_vit").build("meta"), "last-k:k=7", [])


@pytest.mark.parametrize(
    ("model", "spec", "why", "would"),
    [
        (
            "caformer_s18",
            "lora",
            "it is not known where the blocks of MetaFormer are",
            "bitfit, full, layernorm, ln-tuning",
        ),
        ("mixer_s32_224", "adapter-deep", "where the residual branches of MixerBlock are", "adapter-layerwise"),
        ("mixer_s32_224", "append-layer", "where the residual branches of MixerBlock end", "last-k"),
        ("test_nfnet", "layernorm", "it has no norm with weights", "lora"),
        ("regnety_002", "append-layer", "it is not known how to append to RegStage", "adapter-deep"),
        # Its blocks end in a ReLU, behind which nothing that starts at zero would ever move.
        ("mobilenetv1_100", "append-layer", "no layer like its DepthwiseSeparableConv can", "last-k"),
        ("repvgg_a0", "append-layer", "no layer like its RepVggBlock can start as the identity", "last-k"),
    ],
)
def test_an_unknown_structure_is_named_with_strategies_that_do_without(
    model: str, spec: str, why: str, would: str
) -> None:
    with torch.device("meta"):
        tower = timm.create_model(model, num_classes=0)
    with pytest.raises(UserError, match=rf"strategy {spec} finds nothing to train in it: .*{why}.*there: .*{would}"):
        trained(tower, spec, [])


def test_a_strategy_that_marks_nothing_is_no_strategy_for_that_tower(small: Callable[[str], Any]) -> None:
    class Lazy:
        learning_rate: ClassVar[float] = 1e-3

        def unfreeze(self, tower: nn.Module) -> None:
            pass

    with pytest.raises(UserError, match="finds nothing to train in the tower: it marks no parameter"):
        strategies.apply(Lazy(), small("bert").build("meta"))


def test_what_trained_before_does_not_train_on(small: Callable[[str], Any]) -> None:
    module = small("test_vit").build()
    strategies.apply(strategies.load("full"), module)
    account = strategies.apply(strategies.load("bitfit"), module)
    assert account.count == sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert {n.rpartition(".")[2] for n in account.trained} == {"bias"}


def test_a_tower_is_adapted_once(small: Callable[[str], Any]) -> None:
    module = small("bert").build("meta")
    trained(module, "adapter-deep", [])
    with pytest.raises(ValueError, match="a strategy is applied to a fresh tower"):
        trained(module, "adapter-deep", [])


def test_features_in_an_order_that_adapters_do_not_take_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlilt.strategies import _anatomy

    with torch.device("meta"):
        tower = timm.create_model("test_mambaout", num_classes=0)
    # Its blocks keep channels last, which is known; as if it were not:
    monkeypatch.setattr(_anatomy, "is_spatial", lambda block: True)
    with pytest.raises(UserError, match="how features lie between the blocks of MambaOut is not known"):
        trained(tower, "adapter-layerwise", [])
    monkeypatch.undo()
    with torch.device("meta"):
        tower = timm.create_model("test_mambaout", num_classes=0)
    trained(tower, "adapter-layerwise", [])
    assert tower(torch.empty(1, 3, 64, 64, device="meta")).shape == (1, blueprint.width(tower))
