"""What is known of the towers that runs use, on their architectures alone."""

from __future__ import annotations

import pytest
from torch import nn

from mlilt.strategies import _anatomy
from mlilt.towers import blueprint


@pytest.mark.parametrize(
    ("model", "blocks", "first", "last"),
    [
        ("efficientnet-lite0", 16, "blocks.0.0", "blocks.6.0"),
        ("deit-base", 12, "blocks.0", "blocks.11"),
        ("dinov2-small", 12, "blocks.0", "blocks.11"),
        ("resnet18", 8, "layer1.0", "layer4.1"),
        ("convnext_tiny", 18, "stages.0.blocks.0", "stages.3.blocks.2"),
        ("swin_tiny_patch4_window7_224", 12, "layers.0.blocks.0", "layers.3.blocks.1"),
        ("mobilenetv3_small_100", 12, "blocks.0.0", "blocks.5.0"),
    ],
)
def test_blocks_of_vision_towers_in_order(model: str, blocks: int, first: str, last: str) -> None:
    names = [name for name, _ in _anatomy.blocks(blueprint.vision(model))]
    assert (len(names), names[0], names[-1]) == (blocks, first, last)


@pytest.mark.parametrize(("name", "layers"), [("e5-small", 12), ("xlm-r-large", 24)])
def test_blocks_of_text_towers_in_order(name: str, layers: int) -> None:
    tower = blueprint.text(name)
    assert [n for n, _ in _anatomy.blocks(tower)] == [f"encoder.layer.{number}" for number in range(layers)]


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("deit-tiny", ["norm"]),
        ("convnext_tiny", ["head.norm"]),
        ("swin_tiny_patch4_window7_224", ["norm"]),
        # A convolution stands between the last block and its BatchNorm.
        ("efficientnet-lite0", []),
        ("resnet18", []),
    ],
)
def test_final_norms_follow_the_last_block_directly(model: str, names: list[str]) -> None:
    tower = blueprint.vision(model)
    by_module = {id(module): name for name, module in tower.named_modules()}
    assert [by_module[id(norm)] for norm in _anatomy.final_norms(tower)] == names


def test_experts_within_blocks_are_not_taken_for_blocks() -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(2, 2) for _ in range(9))

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.ModuleList(Layer() for _ in range(3))

    assert [name for name, _ in _anatomy.blocks(Encoder())] == ["layer.0", "layer.1", "layer.2"]
