"""Projections in closed form: regularized canonical correlation analysis of both towers' features.

Hotelling, "Relations Between Two Sets of Variates", Biometrika 1936; for aligning frozen towers from few pairs Li
et al., "CSA: Data-efficient Mapping of Unimodal Features to Multimodal Features", ICLR 2025 (arXiv:2410.07610).
Here they are where training starts, the same for every strategy.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Below this a correlation is rounding: the data has no such direction.
_MIN_CORRELATION = 1e-6


def canonical_correlation(text: Tensor, image: Tensor, dim: int, ridge: float = 1.0) -> tuple[Tensor, Tensor]:
    """Weights of both projections that make matching features correlate the most.

    Args:
        text: standardized features of captions, shape (pairs, text width).
        image: standardized features of their pictures, shape (pairs, image width), row by row.
        dim: size of the shared space; directions beyond what the data has are filled at random (fixed).
        ridge: added to each feature's variance, which is 1. Few pairs need much.

    Returns:
        float32 weights of shape (dim, text width) and (dim, image width). Each direction counts by the root of its
        correlation; both are scaled as a random start would be.
    """
    x, y = text.double(), image.double()
    count = len(x)
    whiten_x = _inverse_root(x.T @ x / count, ridge)
    whiten_y = _inverse_root(y.T @ y / count, ridge)
    u, correlation, vh = torch.linalg.svd(whiten_x @ (x.T @ y / count) @ whiten_y, full_matrices=False)
    found = min(dim, int((correlation > _MIN_CORRELATION).sum()))
    weight = correlation[:found].sqrt()[:, None]
    return _scaled(weight * (whiten_x @ u[:, :found]).T, dim), _scaled(weight * (whiten_y @ vh[:found].T).T, dim)


def _inverse_root(covariance: Tensor, ridge: float) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype))
    root: Tensor = (vectors * values.clamp_min(1e-12).rsqrt()) @ vectors.T
    return root


def _scaled(weight: Tensor, dim: int) -> Tensor:
    """Float32, deviation width ** -0.5; rows that are missing are drawn so small that they only break the tie.

    Left at zero in both projections they would have no gradient either, and never come to anything.
    """
    width = weight.shape[1]
    scaled = weight
    if len(weight):
        scaled = weight / weight.std(correction=0) * width**-0.5
    if len(scaled) < dim:
        generator = torch.Generator().manual_seed(0)
        extra = torch.randn(dim - len(scaled), width, dtype=weight.dtype, generator=generator) * width**-0.5 * 1e-2
        scaled = torch.cat([scaled, extra])
    return scaled.float()
