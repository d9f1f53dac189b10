"""The closed-form start against other ways to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA

from mlilt.alignment.canonical_correlation import canonical_correlation


def related(count: int, text_width: int, image_width: int, shared: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Standardized features that share `shared` hidden causes."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(count, shared)) * np.linspace(2, 0.5, shared)
    both = []
    for width in (text_width, image_width):
        x = cause @ rng.normal(size=(shared, width)) + rng.normal(size=(count, width))
        both.append((x - x.mean(0)) / x.std(0))
    return both[0], both[1]


def correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(x.T, y.T, strict=True)])


def test_directions_agree_with_those_of_scikit_learn() -> None:
    x, y = related(400, 8, 10, 4)
    text, image = canonical_correlation(torch.tensor(x), torch.tensor(y), dim=4, ridge=0.0)
    ours_x, ours_y = x @ text.double().numpy().T, y @ image.double().numpy().T
    theirs_x, theirs_y = CCA(n_components=4, scale=False, max_iter=5000, tol=1e-10).fit_transform(x, y)
    np.testing.assert_allclose(correlations(ours_x, ours_y), correlations(theirs_x, theirs_y), atol=1e-4)
    np.testing.assert_allclose(np.abs(correlations(ours_x, theirs_x)), 1, atol=1e-3)
    np.testing.assert_allclose(np.abs(correlations(ours_y, theirs_y)), 1, atol=1e-3)


@pytest.mark.parametrize("ridge", [0.1, 1.0])
def test_each_direction_solves_the_regularized_problem_and_counts_by_the_root_of_its_correlation(ridge: float) -> None:
    x, y = related(300, 7, 9, 5)
    text, image = (w.double().numpy() for w in canonical_correlation(torch.tensor(x), torch.tensor(y), 5, ridge))
    cxx, cyy = x.T @ x / 300 + ridge * np.eye(7), y.T @ y / 300 + ridge * np.eye(9)
    # The squared correlations are the eigenvalues of Cxx^-1 Cxy Cyy^-1 Cyx.
    product = np.linalg.solve(cxx, x.T @ y / 300) @ np.linalg.solve(cyy, y.T @ x / 300)
    expected = np.sort(np.linalg.eigvals(product).real)[::-1][:5]
    np.testing.assert_allclose(product @ text.T, text.T * expected, rtol=1e-4, atol=1e-6)
    # A direction of unit regularized variance, times the root of its correlation, has this as its variance.
    variance = np.einsum("ki,ij,kj->k", text, cxx, text)
    np.testing.assert_allclose(variance / variance[0], np.sqrt(expected / expected[0]), rtol=1e-4)
    variance = np.einsum("ki,ij,kj->k", image, cyy, image)
    np.testing.assert_allclose(variance / variance[0], np.sqrt(expected / expected[0]), rtol=1e-4)
    # The signs of a pair fit together.
    assert (correlations(x @ text.T, y @ image.T) > 0).all()


def test_weights_are_float32_and_as_large_as_a_random_start() -> None:
    x, y = related(100, 6, 12, 4)
    for weight, width in zip(canonical_correlation(torch.tensor(x), torch.tensor(y), 6), (6, 12), strict=True):
        assert weight.dtype == torch.float32
        assert weight.shape == (6, width)
        assert float(weight.std(correction=0)) == pytest.approx(width**-0.5, rel=1e-5)


@pytest.mark.parametrize(("count", "dim", "real"), [(6, 20, 5), (300, 20, 8)])
def test_directions_beyond_what_the_data_has_are_small_but_not_zero(count: int, dim: int, real: int) -> None:
    """Six pairs span five directions once centred; a width of eight has eight."""
    x, y = related(count, 8, 10, 3)
    again = canonical_correlation(torch.tensor(x), torch.tensor(y), dim)
    for weight, repeated in zip(canonical_correlation(torch.tensor(x), torch.tensor(y), dim), again, strict=True):
        size = weight.norm(dim=1)
        assert weight.shape[0] == dim
        assert torch.equal(weight, repeated)
        assert (size[real:] > 1e-3).all()
        assert (size[real:] < 0.03).all()
        assert (size[:real] > size[real:].max()).all()


def test_features_without_any_variance_give_finite_weights() -> None:
    for weight in canonical_correlation(torch.zeros(10, 4), torch.zeros(10, 5), 3):
        assert torch.isfinite(weight).all()
        assert (weight.norm(dim=1) > 0).all()
