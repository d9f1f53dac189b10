"""How strategies are written down, composed and refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import UnknownNameError, UserError
from mlilt import strategies
from mlilt.strategies._base import option

NAMES = strategies.names()
# What may be written behind a name, by strategy: (key, value, is it the default).
WRITTEN = {
    "lora": [("rank", "8", True), ("rank", "4", False), ("alpha", "16", True), ("alpha", "32", False)],
    "adapter-deep": [("reduction", "4", True), ("reduction", "2", False)],
    "last-k": [("k", "2", True), ("k", "1", False)],
    "layernorm": [],
    "bitfit": [],
}


@st.composite
def specs(draw: Any) -> tuple[str, str]:
    """A specification in some order and spelling, and the canonical one by hand."""
    names = draw(st.lists(st.sampled_from(sorted(WRITTEN)), unique=True, min_size=1))
    parts = {}
    for name in names:
        keys = draw(st.lists(st.sampled_from(WRITTEN[name]), unique_by=lambda w: w[0])) if WRITTEN[name] else []
        shown = ",".join(sorted(f"{key}={value}" for key, value, default in keys if not default))
        written = draw(st.sampled_from([",", " , "])).join(f"{key}={value}" for key, value, _ in keys)
        parts[name] = (f"{name}:{written}" if keys else name, f"{name}:{shown}" if shown else name)
    join = draw(st.sampled_from(["+", " + "]))
    return join.join(parts[n][0] for n in names), "+".join(parts[n][1] for n in sorted(names))


@given(specs())
def test_equal_specifications_have_one_spelling_and_mean_the_same(pair: tuple[str, str]) -> None:
    written, expected = pair
    assert strategies.canonical(written) == expected
    assert strategies.canonical(expected) == expected
    assert strategies.load(expected) == strategies.load(written)


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_alone_is_itself_and_its_options_are_those_of_its_class(name: str) -> None:
    strategy = strategies.load(name)
    assert strategies.name_of(strategy) == strategies.canonical(name) == name
    assert {o.name: o.default for o in strategies.options(name)} == {
        o.name: getattr(strategy, o.name) for o in strategies.options(name)
    }


def test_options_reach_a_strategy_as_text_or_as_values() -> None:
    written: Any = strategies.load("lora:rank=3,alpha=6")
    assert (written.rank, written.alpha) == (3, 6)
    assert written == strategies.load("lora", rank=3, alpha=6) == strategies.load("lora:rank=3", alpha=6)


@pytest.mark.parametrize(
    ("spec", "rate"),
    [
        ("layernorm+lora", 1e-3),
        ("bitfit+layernorm", 3e-3),
        ("lora+last-k+layernorm", 1e-4),
        ("append-layer+lora", 3e-4),
    ],
)
def test_a_compositions_learning_rate_is_the_smallest_of_its_parts(spec: str, rate: float) -> None:
    assert strategies.load(spec).learning_rate == rate


@pytest.mark.parametrize(
    "names", list(itertools.permutations(["adapter-deep", "append-layer", "layernorm", "lora"]))[::5], ids="+".join
)
def test_the_order_written_changes_nothing_initial_weights_included(
    names: tuple[str, ...], small: Callable[[str], Any]
) -> None:
    made = []
    for spec in ("+".join(names), strategies.canonical("+".join(names))):
        module = small("bert").build()
        torch.manual_seed(5)
        strategies.apply(strategies.load(spec), module)
        made.append(module.state_dict())
    assert list(made[0]) == list(made[1])
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_both_kinds_of_adapters_go_together(small: Callable[[str], Any]) -> None:
    module = small("test_convnext").build("meta")
    both = strategies.apply(strategies.load("adapter-layerwise+adapter-deep"), module).trained
    alone = [
        strategies.apply(strategies.load(name), small("test_convnext").build("meta")).trained
        for name in ("adapter-deep", "adapter-layerwise")
    ]
    assert both == alone[0] | alone[1]
    assert not alone[0].keys() & alone[1].keys()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("lora+dora", "dora and lora cannot be composed: both take the linear layers"),
        ("lora+ia3", "ia3 and lora cannot be composed: both take the linear layers"),
        ("ia3+bitfit+dora", "dora and ia3 cannot be composed"),
        ("ln-tuning+layernorm", "layernorm and ln-tuning cannot be composed: both take the norms"),
        ("full+layernorm", "full cannot be composed with layernorm: full trains everything already"),
        ("lora+frozen", "frozen cannot be composed with lora: frozen trains nothing"),
        ("lora+bitfit+lora:rank=4", "The strategy lora stands twice in 'lora+bitfit+lora:rank=4'"),
        ("lora:rank=4,rank=8", "option 'rank' twice"),
        ("lora:colour=red", "options it does not have: 'colour'. Its options, with defaults: rank=8, alpha=16"),
        ("layernorm:rank=4", "options it does not have: 'rank'. It has none"),
        ("lora:rank=big", "The option rank of lora must be a whole number, not 'big'"),
        ("lora:rank=1.5", "must be a whole number, not '1.5'"),
        ("lora:rank", "must be a whole number, not ''"),
        ("lora:rank=0", "The strategy lora: The option rank must be 1 or more, not 0. Its options"),
        ("last-k:k=-1", "The option k must be 1 or more"),
        ("adapter-deep:reduction=0", "The option reduction must be 1 or more"),
        ("layernorm+", "'layernorm+' is no strategy: expected NAME"),
        ("lora:", "'lora:' is no strategy"),
        ("", "'' is no strategy"),
        ("lilt-da", "lilt-da is a preset: it sets the strategies of both towers (text adapter-deep+layernorm"),
    ],
)
def test_mistakes_are_named_with_what_to_write(spec: str, words: str) -> None:
    for call in (strategies.load, strategies.canonical):
        with pytest.raises(UserError) as caught:
            call(spec)
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": 1}, "'colour'"),
        ({"rank": 2.0}, "must be a whole number, not 2.0"),
        ({"rank": True}, "must be a whole number, not True"),
    ],
)
def test_options_given_as_values_are_checked_too(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        strategies.load("lora", **options)


def test_values_cannot_be_given_to_a_composition() -> None:
    with pytest.raises(UserError, match=r"Options of 'lora\+bitfit' are written into it"):
        strategies.load("lora+bitfit", rank=4)


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [("float", "1e-2", 0.01), ("bool", "true", True), ("str", "abc", "abc"), ("int", "7", 7)],
)
def test_values_are_read_by_the_options_type(
    kind: str, written: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import make_dataclass

    from mlilt.strategies import bitfit

    own = make_dataclass("Own", [("it", kind, option(None, "an option"))], frozen=True)
    monkeypatch.setattr(bitfit, "STRATEGY", own)
    loaded: Any = strategies.load(f"bitfit:it={written}")
    assert loaded.it == value
    assert type(loaded.it) is type(value)
    if kind != "str":
        with pytest.raises(UserError, match="The option it of bitfit must be"):
            strategies.load("bitfit:it=maybe")


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no strategy named 'layernrom'. Did you mean layernorm"):
        strategies.load("bitfit+layernrom")


@pytest.mark.parametrize("name", ["_base", "_anatomy", "presets"])
def test_what_is_no_strategy_in_the_folder_is_none(name: str) -> None:
    assert name not in NAMES
    with pytest.raises(UnknownNameError):
        strategies.load(name)
