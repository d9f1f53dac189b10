"""Groups of AdamW, and the schedule of learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from mlilt.alignment.dual_encoder import DualEncoder
from mlilt.config import RunConfig
from mlilt.model import assemble
from mlilt.towers import embedding_rows, text, vision
from mlilt.training.optimizer import FINAL_LR, optimizer, schedule
from mlilt.training.resolve import resolve


@pytest.mark.parametrize(("total", "warmup"), [(100, 0.1), (7, 0.5), (1, 0.1), (10, 0.0)])
def test_learning_rates_rise_linearly_and_fall_by_a_cosine(total: int, warmup: float) -> None:
    rising = max(1, round(warmup * total))
    found = [schedule(step, total, warmup) for step in range(total)]
    assert found[:rising] == pytest.approx([(s + 1) / rising for s in range(min(rising, total))])
    for step in range(rising, total):
        angle = math.pi * (step - rising) / (total - rising)
        assert found[step] == pytest.approx(FINAL_LR + (1 - FINAL_LR) * (0.5 + 0.5 * math.cos(angle)))


Groups = dict[str, tuple[float, float]]


def groups(dual: DualEncoder, config: RunConfig) -> Groups:
    """Weight decay and peak learning rate of each parameter."""
    names = {id(p): name for name, p in dual.named_parameters()}
    return {
        names[id(p)]: (group["weight_decay"], group["peak_lr"])
        for group in optimizer(dual, config).param_groups
        for p in group["params"]
    }


@pytest.fixture
def make(
    settings: Callable[..., RunConfig], tiny: dict[str, str], tiny_eyes: dict[str, str]
) -> Callable[..., tuple[DualEncoder, Groups]]:
    def build(kind: str, **changes: object) -> tuple[DualEncoder, Groups]:
        rates = {"lr": 1e-4, "vision_lr": 5e-5, "projection_lr": 2e-3, "weight_decay": 0.03}
        config = resolve(settings(text=tiny["mbert"], vision=tiny_eyes[kind], **rates, **changes))
        tower = text.load(config.text)
        dual, _, _ = assemble(config, tower, vision.load(config.vision))
        embedding_rows.train_rows(tower.encoder, __import__("torch").arange(50))
        return dual, groups(dual, config)

    return build


@pytest.mark.parametrize("kind", ["vit", "cnn"])
def test_matrices_decay_and_embeddings_norms_biases_and_temperature_do_not(
    kind: str, make: Callable[..., tuple[DualEncoder, Groups]]
) -> None:
    dual, found = make(kind, strategy="full", vision_strategy="full", objective="siglip")
    assert found.keys() == {name for name, p in dual.named_parameters() if p.requires_grad}
    assert {"log_scale", "bias"} <= found.keys()
    for name, (decay, rate) in found.items():
        spared = ("norm", "bn", "embed", "cls_token", "reg_token", "gamma")
        plain = name.endswith("bias") or any(mark in name.lower() for mark in spared) or name == "log_scale"
        # A patch embedding's projection is a matrix like any other.
        plain = plain and not name.endswith("patch_embed.proj.weight")
        assert decay == (0.0 if plain else 0.03), name
        side = name.partition(".")[0]
        assert rate == {"text": 1e-4, "vision": 5e-5}.get(side, 2e-3), name


def test_scaling_vectors_do_not_decay_towards_zero(make: Callable[..., tuple[DualEncoder, Groups]]) -> None:
    _, found = make("vit", strategy="ia3")
    vectors = [decay for name, (decay, _) in found.items() if "ia3" in name]
    assert vectors
    assert set(vectors) == {0.0}
