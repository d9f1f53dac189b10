"""Projections and temperature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mlilt.alignment.dual_encoder import DualEncoder, Projection
from mlilt.learned import learned


class NoText(nn.Module):
    """A text tower of which only the width matters here."""

    width = 6


def test_projection_standardizes_maps_and_normalizes() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, (50, 6)).astype(np.float32)
    projection = Projection(6, 4)
    projection.fit(torch.from_numpy(features))
    x = features.astype(np.float64)
    mapped = ((x - x.mean(0)) / (x.std(0) + 1e-3)) @ projection.weight.detach().double().numpy().T
    expected = mapped / np.linalg.norm(mapped, axis=1, keepdims=True)
    found = projection(torch.from_numpy(features))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)


def test_a_feature_that_hardly_varies_is_not_blown_up() -> None:
    features = torch.zeros(10, 3)
    features[0, 0] = 1e-6
    projection = Projection(3, 2)
    projection.fit(features)
    assert float(projection.standardize(features).abs().max()) < 1e-2


def test_projection_keeps_its_statistics_with_the_run_and_computes_in_float32_under_autocast() -> None:
    projection = Projection(6, 4)
    assert set(learned(projection)) == {"mean", "std", "weight"}
    features = torch.randn(5, 6)
    with torch.autocast("cpu", torch.bfloat16):
        inside = projection(features.bfloat16())
    torch.testing.assert_close(inside, projection(features.bfloat16().float()), rtol=0, atol=0)


@pytest.mark.parametrize(("log_scale", "bound"), [(50.0, 0.001), (-50.0, 0.5)])
def test_temperature_is_brought_back_into_its_bounds(log_scale: float, bound: float) -> None:
    dual = DualEncoder(NoText(), image_width=5, dim=4)
    with torch.no_grad():
        dual.log_scale.fill_(log_scale)
    dual.clamp_temperature()
    assert dual.temperature == pytest.approx(bound, rel=1e-5)


def test_temperature_within_its_bounds_stays_and_divides_the_cosines() -> None:
    dual = DualEncoder(NoText(), image_width=5, dim=4, temperature=0.2)
    dual.clamp_temperature()
    assert dual.temperature == pytest.approx(0.2)
    text, image = nn.functional.normalize(torch.randn(3, 4)), dual.encode_image(torch.randn(7, 5))
    torch.testing.assert_close(dual.logits(text, image), text @ image.T / 0.2)
    assert dual.log_scale.requires_grad


def test_it_stays_in_eval_mode_when_switched_to_train() -> None:
    class Tower(nn.Module):
        width = 4

        def __init__(self) -> None:
            super().__init__()
            self.dropout = nn.Dropout(0.5)
            self.norm = nn.BatchNorm1d(4)

    dual = DualEncoder(Tower(), 6, 3).train()
    assert not any(module.training for module in dual.modules())


def test_a_bias_is_added_to_all_similarities_and_trains() -> None:
    dual = DualEncoder(NoText(), image_width=5, dim=4, temperature=0.1, bias=-10.0)
    text, image = nn.functional.normalize(torch.randn(3, 4)), dual.encode_image(torch.randn(7, 5))
    torch.testing.assert_close(dual.logits(text, image), text @ image.T * 10 - 10)
    assert dual.bias.requires_grad
    assert "bias" in learned(dual)
    assert "bias" not in learned(DualEncoder(NoText(), image_width=5, dim=4))


def test_a_vision_tower_that_trains_is_part_of_it_and_turns_pixels_into_embeddings() -> None:
    eyes = nn.Linear(8, 5)
    dual = DualEncoder(NoText(), image_width=5, dim=4, vision=eyes)
    pixels = torch.randn(3, 8)
    torch.testing.assert_close(dual.encode_pixels(pixels), dual.encode_image(eyes(pixels)))
    assert {"vision.weight", "vision.bias"} <= learned(dual).keys()
    assert not dual.train().vision.training
