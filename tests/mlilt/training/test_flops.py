"""Operations of training steps, against closed formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from mlilt.towers import text, vision
from mlilt.training.flops import _OWN, COUNTED_STEPS, Flops


def step(layer: torch.nn.Linear, inputs: torch.Tensor) -> None:
    layer.zero_grad()
    layer(inputs).sum().backward()


def test_operations_of_a_linear_layer_are_those_of_its_matrix_products() -> None:
    layer, inputs = torch.nn.Linear(8, 4), torch.ones(5, 8)
    one = 2 * 5 * 8 * 4
    for trains, wants_gradient, products in ((True, False, 2), (True, True, 3), (False, True, 2)):
        layer.weight.requires_grad_(trains)
        flops = Flops()
        with flops.step(0, 10):
            step(layer, inputs.detach().requires_grad_(wants_gradient))
        assert flops.per_pair(1) == products * one / 10
        assert flops.per_pair(2) == products * one / 5


def test_fused_attention_counts_as_its_products_with_those_that_it_computes_again() -> None:
    query, key, value = (torch.randn(2, 3, 17, 8, requires_grad=True) for _ in range(3))
    product = 2 * 2 * 3 * 17 * 17 * 8
    flops = Flops()
    with flops.step(0, 1):
        scaled_dot_product_attention(query, key, value).sum().backward()
    # Two forwards; backwards two for each of them, and the scores once more.
    assert flops.total == 7 * product


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(("trains", "wants_gradient"), [(True, True), (True, False), (False, True)])
def test_convolutions_in_groups_count_their_own_products(groups: int, trains: bool, wants_gradient: bool) -> None:
    layer = torch.nn.Conv2d(6, 12, 3, groups=groups, padding=1, stride=2)
    layer.weight.requires_grad_(trains)
    pictures = torch.randn(4, 6, 10, 10, requires_grad=wants_gradient)
    one = 2 * 4 * 12 * 5 * 5 * (6 // groups) * 9
    flops = Flops()
    with flops.step(0, 1):
        layer(pictures).sum().backward()
    assert flops.total == (1 + trains + wants_gradient) * one


@pytest.mark.parametrize("way", ["all trains", "a third trains", "without gradients", "inference"])
def test_whole_towers_count_as_by_torchs_own_counter(way: str, tiny: dict[str, str], tiny_eyes: dict[str, str]) -> None:
    words = text.load(tiny["xlm-r"])
    eyes = [vision.load(tiny_eyes[kind]).model for kind in ("vit", "cnn")]
    for tower in (words.encoder, *eyes):
        for number, parameter in enumerate(tower.parameters()):
            parameter.requires_grad_(way != "a third trains" or number % 3 == 0)
    pictures = torch.randn(2, 3, 224, 224)

    def forth_and_back() -> None:
        made = words.encoder(torch.tensor([[0, 9, 8, 2]])).last_hidden_state.mean() + sum(
            e(pictures).mean() for e in eyes
        )
        if made.requires_grad:
            made.backward()

    flops = Flops()
    mode = {"without gradients": torch.no_grad, "inference": torch.inference_mode}.get(way, torch.enable_grad)
    with mode():
        with flops.step(0, 1):
            forth_and_back()
        with FlopCounterMode(display=False, custom_mapping=_OWN) as counter:
            forth_and_back()
    assert flops.total == counter.get_total_flops() > 0


def test_only_the_first_steps_are_counted() -> None:
    layer, inputs, flops = torch.nn.Linear(8, 4), torch.ones(5, 8), Flops()
    for number in range(COUNTED_STEPS + 3):
        with flops.step(number, 1):
            step(layer, inputs)
    assert flops.pairs == COUNTED_STEPS
    assert flops.per_pair(1) == 2 * 2 * 5 * 8 * 4


def test_a_resumed_run_counts_on() -> None:
    layer, inputs = torch.nn.Linear(8, 4), torch.ones(5, 8)
    first = Flops()
    with first.step(0, 1):
        step(layer, inputs)
    second = Flops(first.total, first.pairs)
    with second.step(1, 2):
        step(layer, inputs)
    assert (second.total, second.pairs) == (2 * first.total, 3)


def test_nothing_counted_is_no_figure() -> None:
    off = Flops(on=False)
    with off.step(0, 3):
        step(torch.nn.Linear(2, 2), torch.ones(1, 2))
    assert off.per_pair(1) is None
