"""The fast form of a vision tower computes what the plain one does."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from mlilt.towers import inference
from mlilt.towers.inference import for_inference
from mlilt.towers.vision import VisionTower
from mlilt.training.device import store_frozen

CPU = torch.device("cpu")


def norms(module: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in module.modules())


def lived_in(architecture: str) -> VisionTower:
    """A random tower whose BatchNorms have statistics and weights of their own, as after training."""
    torch.manual_seed(0)
    model = timm.create_model(architecture, pretrained=False, num_classes=0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return VisionTower(model, architecture).eval()


def pixels(tower: VisionTower) -> torch.Tensor:
    seeded = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (3, 3, *inference._size(tower)), dtype=torch.uint8, generator=seeded)


@pytest.mark.parametrize("architecture", ["test_resnet", "test_efficientnet", "test_vit", "test_convnext"])
def test_random_towers_keep_their_features_with_every_batchnorm_folded_that_can_be(architecture: str) -> None:
    tower = lived_in(architecture)
    fast = for_inference(tower, CPU, torch.float32)
    with torch.inference_mode():
        assert cosine_similarity(fast(pixels(tower)), tower(pixels(tower))).min() > 0.9999
    assert norms(fast) < norms(tower) or norms(tower) == 0
    assert not any(p.requires_grad for p in fast.parameters())


def test_the_real_tower_keeps_its_features_and_stays_as_it_was(eyes: VisionTower) -> None:
    before = {name: t.clone() for name, t in eyes.state_dict().items()}
    fast = for_inference(eyes, CPU, torch.float32)
    with torch.inference_mode():
        assert cosine_similarity(fast(pixels(eyes)), eyes(pixels(eyes))).min() > 0.99999
    assert norms(fast) < norms(eyes)
    assert all(torch.equal(t, before[name]) for name, t in eyes.state_dict().items())


def test_bf16_stays_close(eyes: VisionTower) -> None:
    fast = for_inference(eyes, CPU, torch.bfloat16)
    with torch.inference_mode():
        found = fast(pixels(eyes))
        assert found.dtype == torch.float32
        assert cosine_similarity(found, eyes(pixels(eyes))).min() > 0.99


class Crossed(nn.Module):
    """Defined as convolution and norm one after the other, but the norm comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.norm.running_mean += torch.tensor([3.0, -2.0, 1.0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(x)).relu().mean((2, 3))


def test_a_norm_that_does_not_follow_its_neighbour_is_not_folded(eyes: VisionTower) -> None:
    torch.manual_seed(0)
    tower = copy.copy(eyes)
    tower._modules = {**eyes._modules, "model": Crossed().eval()}
    fast = for_inference(tower, CPU, torch.float32)
    assert norms(fast) == 1
    with torch.inference_mode():
        torch.testing.assert_close(fast(pixels(tower)), tower(pixels(tower)))


@pytest.mark.parametrize("architecture", ["mobilevit_xxs", "levit_128s"])
def test_a_tower_of_convolutions_and_linear_layers_in_mixed_precision_is_folded_too(architecture: str) -> None:
    """What a vision tower that trained in bfloat16 is: its frozen linear layers are kept in that."""
    tower = lived_in(architecture).requires_grad_(False)
    expected = tower(pixels(tower))
    store_frozen(tower, torch.bfloat16)
    assert {p.dtype for p in tower.parameters()} == {torch.float32, torch.bfloat16}
    fast = for_inference(tower, torch.device("cpu"), torch.float32)
    assert norms(fast.model) < norms(tower.model)
    found = fast(pixels(tower))
    assert float(cosine_similarity(found, expected).min()) > 0.999
