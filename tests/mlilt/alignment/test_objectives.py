"""The objective against plain loops in float64 and against torch's own cross-entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mlilt.alignment.objectives import info_nce, positives


def loss_by_loops(logits: np.ndarray, positive: np.ndarray) -> float:
    """Each pair against the negatives of its row (column): mean over a row's positives, rows, and directions."""
    means = []
    for scores, right in ((logits, positive), (logits.T, positive.T)):
        of_rows = []
        for row, fits in zip(scores, right, strict=True):
            negatives = sum(math.exp(s) for s, p in zip(row, fits, strict=True) if not p)
            pairs = [-math.log(math.exp(s) / (math.exp(s) + negatives)) for s, p in zip(row, fits, strict=True) if p]
            of_rows.append(sum(pairs) / len(pairs))
        means.append(sum(of_rows) / len(of_rows))
    return sum(means) / 2


def several_positives(rng: np.random.Generator, captions: int, pictures: int) -> np.ndarray:
    right = rng.random((captions, pictures)) < 0.2
    right[np.arange(captions), np.arange(captions) % pictures] = True
    right[np.arange(pictures) % captions, np.arange(pictures)] = True
    return right


def test_one_positive_each_is_the_cross_entropy_of_clip_with_its_gradient() -> None:
    ours = (torch.randn(9, 9, generator=torch.Generator().manual_seed(1)).double() * 5).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    place = torch.arange(9)
    loss = info_nce(ours, torch.eye(9, dtype=torch.bool))
    expected = (F.cross_entropy(theirs, place) + F.cross_entropy(theirs.T, place)) / 2
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize(("captions", "pictures", "seed"), [(2, 3, 0), (6, 11, 1), (13, 5, 2)])
def test_several_positives_leave_each_other_out_of_the_denominator(captions: int, pictures: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, right = rng.normal(0, 3, (captions, pictures)), several_positives(rng, captions, pictures)
    loss = info_nce(torch.tensor(logits), torch.tensor(right))
    assert float(loss) == pytest.approx(loss_by_loops(logits, right), rel=1e-12)


def test_gradient_agrees_with_finite_differences() -> None:
    rng = np.random.default_rng(3)
    right = torch.tensor(several_positives(rng, 4, 6))
    logits = torch.tensor(rng.normal(0, 2, (4, 6)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: info_nce(x, right), logits)


def test_a_batch_without_any_negative_costs_nothing_and_has_a_finite_gradient() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    loss = info_nce(logits, torch.ones(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(2, 3))


def test_the_lowest_temperature_does_not_overflow() -> None:
    logits = (torch.tensor([[1.0, -1.0], [-1.0, 1.0]]) / 0.001).requires_grad_()
    wrong = info_nce(logits, torch.tensor([[False, True], [True, False]]))
    wrong.backward()
    assert float(wrong) == pytest.approx(2000)
    assert torch.isfinite(logits.grad).all()


@given(st.data())
def test_positives_are_those_of_the_plain_definition(data: st.DataObject) -> None:
    captions = data.draw(st.integers(1, 6))
    number = st.integers(0, 3)
    concept = data.draw(st.lists(number, min_size=captions, max_size=captions))
    words = data.draw(st.lists(number, min_size=captions, max_size=captions))
    # Every caption has a picture of its own, further pictures belong to any.
    owner = [*range(captions), *data.draw(st.lists(st.integers(0, captions - 1), max_size=5))]
    image = data.draw(st.lists(number, min_size=len(owner), max_size=len(owner)))
    found = positives(torch.tensor(owner), torch.tensor(concept), torch.tensor(words), torch.tensor(image))
    for c in range(captions):
        mine = {image[p] for p, o in enumerate(owner) if o == c}
        for p, o in enumerate(owner):
            expected = o == c or concept[o] == concept[c] or words[o] == words[c] or image[p] in mine
            assert bool(found[c, p]) == expected
