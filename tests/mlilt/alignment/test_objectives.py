"""Objectives against plain loops in float64 and against torch's own cross-entropy."""

from __future__ import annotations

import importlib
import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from data_prep.errors import UnknownNameError
from mlilt.alignment import objectives

NAMES = objectives.names()
INFO_NCE, SIGLIP = objectives.load("info-nce"), objectives.load("siglip")


def info_nce_by_loops(logits: np.ndarray, positive: np.ndarray, smoothing: float) -> float:
    """Each pair against the negatives of its row (column): mean over a row's positives, rows, and directions."""
    means = []
    for scores, right in ((logits, positive), (logits.T, positive.T)):
        of_rows = []
        for row, fits in zip(scores, right, strict=True):
            negatives = [s for s, p in zip(row, fits, strict=True) if not p]
            pairs = []
            for score in (s for s, p in zip(row, fits, strict=True) if p):
                candidates = [score, *negatives]
                total = sum(math.exp(s) for s in candidates)
                costs = [-math.log(math.exp(s) / total) for s in candidates]
                pairs.append((1 - smoothing) * costs[0] + smoothing * sum(costs) / len(costs))
            of_rows.append(sum(pairs) / len(pairs))
        means.append(sum(of_rows) / len(of_rows))
    return sum(means) / 2


def siglip_by_loops(logits: np.ndarray, positive: np.ndarray, smoothing: float) -> float:
    """Each pair by itself; divided by the number of captions, and by that of pictures, and the mean of both."""
    total = 0.0
    for row, fits in zip(logits, positive, strict=True):
        for score, right in zip(row, fits, strict=True):
            target = (1.0 if right else 0.0) * (1 - smoothing) + smoothing / 2
            chance = 1 / (1 + math.exp(-score))
            total -= target * math.log(chance) + (1 - target) * math.log(1 - chance)
    captions, pictures = logits.shape
    return (total / captions + total / pictures) / 2


LOOPS = {"info-nce": info_nce_by_loops, "siglip": siglip_by_loops}


def several_positives(rng: np.random.Generator, captions: int, pictures: int) -> np.ndarray:
    right = rng.random((captions, pictures)) < 0.2
    right[np.arange(captions), np.arange(captions) % pictures] = True
    right[np.arange(pictures) % captions, np.arange(pictures)] = True
    return right


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is_and_which_paper_it_comes_from(name: str) -> None:
    text = importlib.import_module(f"mlilt.alignment.objectives.{name.replace('-', '_')}").__doc__
    assert re.search(r"arXiv:\d{4}\.\d{5}", text)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"info-nce"):
        objectives.load("infonce")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("captions", "pictures", "seed"), [(2, 3, 0), (6, 11, 1), (13, 5, 2), (8, 8, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_with_several_positives_it_is_the_plain_definition(
    name: str, captions: int, pictures: int, seed: int, smoothing: float
) -> None:
    rng = np.random.default_rng(seed)
    logits, right = rng.normal(0, 3, (captions, pictures)), several_positives(rng, captions, pictures)
    loss = objectives.symmetric(objectives.load(name), torch.tensor(logits), torch.tensor(right), smoothing)
    assert float(loss) == pytest.approx(LOOPS[name](logits, right, smoothing), rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_positive_each_is_the_cross_entropy_of_clip_with_its_gradient(smoothing: float) -> None:
    ours = (torch.randn(9, 9, generator=torch.Generator().manual_seed(1)).double() * 5).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    place = torch.arange(9)
    loss = objectives.symmetric(INFO_NCE, ours, torch.eye(9, dtype=torch.bool), smoothing)
    expected = F.cross_entropy(theirs, place, label_smoothing=smoothing)
    expected = (expected + F.cross_entropy(theirs.T, place, label_smoothing=smoothing)) / 2
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_siglip_of_one_positive_each_is_the_papers_formula() -> None:
    """-1/n sum log sigmoid(z (t x.y + b)), z = 1 on the diagonal and -1 elsewhere (Zhai et al., equation 2)."""
    logits = torch.randn(7, 7, generator=torch.Generator().manual_seed(2)).double() * 4
    signs = 2 * torch.eye(7).double() - 1
    expected = -F.logsigmoid(signs * logits).sum() / 7
    torch.testing.assert_close(objectives.symmetric(SIGLIP, logits, torch.eye(7, dtype=torch.bool)), expected)


def test_a_bias_that_starts_low_makes_the_many_wrong_pairs_cheap() -> None:
    assert INFO_NCE.bias is None
    assert SIGLIP.bias == -10
    wrong = torch.zeros(64, 64) + SIGLIP.bias
    loss = objectives.symmetric(SIGLIP, wrong, torch.eye(64, dtype=torch.bool))
    assert float(loss) == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradient_agrees_with_finite_differences(name: str, smoothing: float) -> None:
    rng = np.random.default_rng(3)
    right = torch.tensor(several_positives(rng, 4, 6))
    logits = torch.tensor(rng.normal(0, 2, (4, 6)), requires_grad=True)
    objective = objectives.load(name)
    assert torch.autograd.gradcheck(lambda x: objectives.symmetric(objective, x, right, smoothing), logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_without_any_negative_costs_nothing_and_has_a_finite_gradient(smoothing: float) -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    loss = objectives.symmetric(INFO_NCE, logits, torch.ones(2, 3, dtype=torch.bool), smoothing)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(logits.grad, torch.zeros(2, 3))


@pytest.mark.parametrize("name", NAMES)
def test_the_lowest_temperature_does_not_overflow(name: str) -> None:
    logits = (torch.tensor([[1.0, -1.0], [-1.0, 1.0]]) / 0.001).requires_grad_()
    wrong = objectives.symmetric(objectives.load(name), logits, torch.tensor([[False, True], [True, False]]))
    wrong.backward()
    assert wrong.item() == pytest.approx(2000)
    assert torch.isfinite(logits.grad).all()
