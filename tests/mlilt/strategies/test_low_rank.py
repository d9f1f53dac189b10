"""LoRA's shorter way through a linear layer against peft's own, and against the formula in float64."""

import pickle

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners import lora
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mlilt.strategies import _low_rank


def _layer(bias: bool = True, dropout: float = 0.0, dora: bool = False, trained: bool = False) -> nn.Module:
    """A linear layer with a product that is not zero."""
    torch.manual_seed(3)
    tower = nn.Sequential(nn.Linear(24, 40, bias=bias)).requires_grad_(trained)
    config = LoraConfig(r=4, lora_alpha=6, target_modules=["0"], lora_dropout=dropout, use_dora=dora)
    inject_adapter_in_model(config, tower)
    layer = tower[0]
    assert isinstance(layer, lora.Linear)
    nn.init.normal_(layer.lora_B["default"].weight, std=0.3)
    if trained:
        layer.get_base_layer().requires_grad_(True)
    return tower


def _both(**kwargs: bool) -> tuple[nn.Module, nn.Module]:
    """peft's layer and the same one with the shorter way."""
    plain, fast = _layer(**kwargs), _layer(**kwargs)
    _low_rank.speed_up(fast)
    return plain, fast


def _gradients(tower: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Output and all gradients of a loss that weighs every place of the output differently."""
    x = x.clone().requires_grad_(True)
    out = tower(x)
    weights = torch.linspace(-1, 2, out.numel(), dtype=torch.float64).reshape(out.shape)
    (out.double() * weights).sum().backward()
    assert x.grad is not None
    found = {"out": out.detach(), "x": x.grad}
    return found | {name: p.grad for name, p in tower.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 24), (2, 5, 24), (1, 24), (0, 24)])
def test_output_and_gradients_are_those_of_the_formula(shape: tuple[int, ...], bias: bool) -> None:
    """y = x (W + alpha/rank · B A)ᵀ + b, by autograd in float64."""
    _, fast = _both(bias=bias)
    fast = fast.double()
    x = torch.randn(shape, dtype=torch.float64)
    got = _gradients(fast, x)
    layer = fast[0]
    assert type(layer) is _low_rank.LowRankLinear
    down, up = (w["default"].weight.detach().requires_grad_(True) for w in (layer.lora_A, layer.lora_B))
    x = x.requires_grad_(True)
    base = layer.get_base_layer()
    out = nn.functional.linear(x, base.weight + 6 / 4 * up @ down, base.bias)
    weights = torch.linspace(-1, 2, out.numel(), dtype=torch.float64).reshape(out.shape)
    wanted = torch.autograd.grad((out * weights).sum(), [x, down, up])
    assert set(got) == {"out", "x", "0.lora_A.default.weight", "0.lora_B.default.weight"}
    torch.testing.assert_close(got["out"], out.detach(), rtol=1e-12, atol=1e-12)
    for name, gradient in zip(("x", "0.lora_A.default.weight", "0.lora_B.default.weight"), wanted, strict=True):
        torch.testing.assert_close(got[name], gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_in_each_precision_it_is_as_near_to_the_formula_as_pefts_own(dtype: torch.dtype) -> None:
    plain, fast = _both()
    x = torch.randn(300, 24)
    exact = _gradients(_both()[0].double(), x.double())
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        ours, theirs = _gradients(fast, x), _gradients(plain, x)
    assert ours.keys() == theirs.keys() == exact.keys()
    for name, reference in exact.items():
        assert ours[name].dtype == theirs[name].dtype
        off, usual = ((g[name].double() - reference).norm() / reference.norm() for g in (ours, theirs))
        assert off <= 1.5 * usual + 1e-7, name


def test_a_base_layer_that_trains_gets_its_gradient() -> None:
    plain, fast = _both(trained=True)
    x = torch.randn(9, 24)
    ours, theirs = _gradients(fast, x), _gradients(plain, x)
    assert "0.base_layer.weight" in ours
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, msg=name)


def test_an_input_that_needs_no_gradient_and_a_layer_without_gradients() -> None:
    plain, fast = _both()
    x = torch.randn(9, 24)
    fast(x).sum().backward()
    plain(x).sum().backward()
    for (name, ours), theirs in zip(fast.named_parameters(), plain.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        if ours.grad is not None and theirs.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, msg=name)
    with torch.inference_mode():
        torch.testing.assert_close(fast(x), plain(x))


def test_merged_and_switched_off_it_is_pefts() -> None:
    _, fast = _both()
    x = torch.randn(9, 24)
    layer = fast[0]
    with_product = fast(x)
    layer.merge(safe_merge=True)
    torch.testing.assert_close(fast(x), with_product, rtol=1e-5, atol=1e-5)
    layer.unmerge()
    layer.enable_adapters(False)
    torch.testing.assert_close(fast(x), layer.get_base_layer()(x))


@pytest.mark.parametrize("kwargs", [{"dropout": 0.1}, {"dora": True}], ids=["dropout", "dora"])
def test_what_is_more_than_a_product_stays_as_it_is(kwargs: dict[str, bool]) -> None:
    _, fast = _both(**kwargs)
    assert type(fast[0]) is lora.Linear


def test_operations_are_counted_as_before() -> None:
    plain, fast = _both()
    counts = []
    for tower in (plain, fast):
        with FlopCounterMode(display=False) as counter:
            _gradients(tower, torch.randn(50, 24))
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_it_can_be_pickled_and_keeps_its_names() -> None:
    plain, fast = _both()
    assert list(plain.state_dict()) == list(fast.state_dict())
    again = pickle.loads(pickle.dumps(fast))
    x = torch.randn(3, 24)
    assert type(again[0]) is _low_rank.LowRankLinear
    torch.testing.assert_close(again(x), fast(x))
