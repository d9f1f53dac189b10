"""The dual encoder: two projections into one space, and the temperature."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_TEMPERATURE = 0.001
MAX_TEMPERATURE = 0.5


class Projection(nn.Module):
    """Standardizes features by fixed statistics and maps them linearly onto the unit sphere.

    Attributes:
        mean, std: statistics of the training features before training; buffers of shape (width,).
        weight: trained, float of shape (dim, width).
    """

    learned_buffers: ClassVar[tuple[str, ...]] = ("mean", "std")
    mean: Tensor
    std: Tensor

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self.weight = nn.Parameter(torch.empty(dim, width))
        nn.init.normal_(self.weight, std=width**-0.5)

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Takes mean and standard deviation from features of shape (n, width)."""
        self.mean.copy_(features.mean(0))
        # A feature that hardly varies must not be blown up.
        self.std.copy_(features.std(0, correction=0) + 1e-3)

    def standardize(self, features: Tensor) -> Tensor:
        """(n, width) -> (n, width), mean 0 and deviation 1 over the training features."""
        return (features - self.mean) / self.std

    @torch.no_grad()
    def affine(self) -> tuple[Tensor, Tensor]:
        """Both as one product and a bias, on the CPU: float32 of shapes (dim, width) and (dim,)."""
        weight = (self.weight.double() / self.std.double()).cpu()
        return weight.float().contiguous(), (-weight @ self.mean.double().cpu()).float().contiguous()

    def forward(self, features: Tensor) -> Tensor:
        """Float of shape (n, width) -> float32 of shape (n, dim), L2-normalized."""
        with torch.autocast(features.device.type, enabled=False):
            return F.normalize(self.standardize(features.float()) @ self.weight.T, dim=-1)


class DualEncoder(nn.Module):
    """Two towers, each projected into one space.

    Args:
        text: the text tower.
        image_width: size of the image features.
        dim: size of the shared space.
        temperature: where the learned temperature starts; it stays within [0.001, 0.5], as in LilT's own code.
        bias: where the learned bias of all similarities starts; None for an objective without one.
        vision: the vision tower if it trains; a frozen one's features are computed once and kept, so that pictures
            come as features.
    """

    def __init__(
        self,
        text: nn.Module,
        image_width: int,
        dim: int,
        temperature: float = 0.07,
        bias: float | None = None,
        vision: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.text = text
        self.vision = vision
        self.text_projection = Projection(int(text.width), dim)  # type: ignore[arg-type]
        self.image_projection = Projection(image_width, dim)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(float(bias)))

    def train(self, mode: bool = True) -> DualEncoder:
        """Stays in eval mode: what is frozen keeps its dropout off and its statistics, and all train alike."""
        return super().train(False)

    @property
    def temperature(self) -> float:
        """The present temperature."""
        return float(torch.exp(-self.log_scale.detach()))

    def encode_text(self, captions: Any) -> Tensor:
        """Captions as the text tower takes them -> float32 of shape (n, dim), L2-normalized."""
        embedding: Tensor = self.text_projection(self.text(captions))
        return embedding

    def encode_image(self, features: Tensor) -> Tensor:
        """Features of shape (n, image width) -> float32 of shape (n, dim), L2-normalized."""
        embedding: Tensor = self.image_projection(features)
        return embedding

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Pixels as the vision tower takes them -> float32 of shape (n, dim), L2-normalized."""
        assert self.vision is not None, "the vision tower is frozen: pictures come as features"
        return self.encode_image(self.vision(pixels))

    def logits(self, text: Tensor, image: Tensor) -> Tensor:
        """Cosine similarities over the temperature, and the bias if there is one; shape (captions, pictures)."""
        scaled = (text @ image.T) * self.log_scale.exp()
        return scaled if self.bias is None else scaled + self.bias

    @torch.no_grad()
    def clamp_temperature(self) -> None:
        """Brings the temperature back into its bounds; to be called after each step."""
        self.log_scale.clamp_(-math.log(MAX_TEMPERATURE), -math.log(MIN_TEMPERATURE))
