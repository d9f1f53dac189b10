"""Gradient caching, blocks and several processes against one plain backward pass, in float64."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlilt.alignment import gradient, objectives
from mlilt.alignment.gradient import Side, Term

CAPTIONS, PICTURES = 13, 21


class Small(nn.Module):
    """Two nonlinear towers into one space, with temperature and bias."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.text = nn.Sequential(nn.Linear(5, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 6)).double()
        self.image = nn.Sequential(nn.Linear(7, 16), nn.GELU(), nn.Linear(16, 6)).double()
        self.log_scale = nn.Parameter(torch.tensor(1.5).double())
        self.bias = nn.Parameter(torch.tensor(-0.5).double())

    def encode(self, kind: str, inputs: Tensor) -> Tensor:
        return F.normalize(getattr(self, kind)(inputs), dim=-1)

    def logits(self, one: Tensor, other: Tensor) -> Tensor:
        return one @ other.T * self.log_scale.exp() + self.bias

    def gradients(self) -> dict[str, Tensor]:
        return {name: p.grad.clone() for name, p in self.named_parameters() if p.grad is not None}


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Captions, pictures, translations, and what belongs together."""
    # An own generator: threads call this, too.
    random = torch.Generator().manual_seed(1)
    positive = torch.rand(CAPTIONS, PICTURES, generator=random) < 0.1
    positive[torch.arange(PICTURES) % CAPTIONS, torch.arange(PICTURES)] = True
    same = torch.eye(CAPTIONS, dtype=torch.bool)
    same[2, 5] = same[5, 2] = True
    shapes = ((CAPTIONS, 5), (PICTURES, 7), (CAPTIONS, 5))
    captions, pictures, translations = (torch.randn(*shape, generator=random).double() for shape in shapes)
    return captions, pictures, translations, positive, same


def plain(name: str, smoothing: float, weight: float) -> tuple[float, dict[str, Tensor]]:
    """The loss and gradients of the whole batch at once."""
    model, objective = Small(), objectives.load(name)
    captions, pictures, translations, positive, same = inputs()
    text, image = model.encode("text", captions), model.encode("image", pictures)
    loss = objectives.symmetric(objective, model.logits(text, image), positive, smoothing)
    if weight:
        logits = model.logits(text, model.encode("text", translations))
        loss = loss + weight * objectives.symmetric(objective, logits, same, smoothing)
    loss.backward()
    return float(loss.detach()), model.gradients()


def sides(
    model: Small, chunk: int, rank: int = 0, counts: tuple[Sequence[int], Sequence[int]] = ((CAPTIONS,), (PICTURES,))
) -> dict[str, Side]:
    captions, pictures, translations, _, _ = inputs()

    def side(kind: str, whole: Tensor, shares: Sequence[int]) -> Side:
        mine = whole[sum(shares[:rank]) : sum(shares[: rank + 1])]
        parts = mine.split(chunk) if len(mine) else [mine]
        chunks: list[Callable[[], Tensor]] = [lambda part=part: model.encode(kind, part) for part in parts]
        return Side(chunks, shares)

    return {
        "text": side("text", captions, counts[0]),
        "image": side("image", pictures, counts[1]),
        "translation": side("text", translations, counts[0]),
    }


def terms(weight: float) -> list[Term]:
    _, _, _, positive, same = inputs()
    found = [Term("text", "image", lambda one, other: positive[one, other])]
    if weight:
        found.append(Term("text", "translation", lambda one, other: same[one, other], weight))
    return found


@pytest.mark.parametrize("name", objectives.names())
@pytest.mark.parametrize(("chunk", "block"), [(100, 512), (1, 512), (4, 5), (7, 1)])
@pytest.mark.parametrize(("smoothing", "weight"), [(0.0, 0.0), (0.1, 0.7)])
def test_chunks_and_blocks_give_the_gradient_of_the_whole_batch(
    name: str, chunk: int, block: int, smoothing: float, weight: float
) -> None:
    loss, expected = plain(name, smoothing, weight)
    model = Small()
    made = sides(model, chunk)
    found = gradient.backward(
        made if weight else {k: made[k] for k in ("text", "image")},
        terms(weight),
        model.logits,
        objectives.load(name),
        smoothing,
        block=block,
    )
    assert float(found) == pytest.approx(loss, rel=1e-12)
    assert model.gradients().keys() == expected.keys()
    for key, value in model.gradients().items():
        torch.testing.assert_close(value, expected[key], rtol=1e-9, atol=1e-12)


class Together:
    """Processes as threads: what `torch.distributed` does over a network, over a list."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.slots: list[list[Tensor]] = [[] for _ in range(size)]

    def exchange(self, rank: int, tensors: Sequence[Tensor]) -> list[list[Tensor]]:
        self.slots[rank] = [t.detach().clone() for t in tensors]
        self.barrier.wait()
        seen = [list(slot) for slot in self.slots]
        self.barrier.wait()
        return seen


class Rank:
    def __init__(self, together: Together, rank: int) -> None:
        self.together = together
        self.rank = rank

    def gather(self, local: Tensor, counts: Sequence[int]) -> Tensor:
        return torch.cat([slot[0] for slot in self.together.exchange(self.rank, [local])])

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        for all_of_one, tensor in zip(
            zip(*self.together.exchange(self.rank, tensors), strict=True), tensors, strict=True
        ):
            tensor.copy_(torch.stack(all_of_one).sum(0))


@pytest.mark.parametrize("name", objectives.names())
@pytest.mark.parametrize("counts", [((7, 6), (10, 11)), ((13, 0, 0), (4, 8, 9)), ((1, 6, 6), (21, 0, 0))])
def test_the_parts_of_several_processes_add_up_to_the_gradient_of_the_whole_batch(
    name: str, counts: tuple[Sequence[int], Sequence[int]]
) -> None:
    loss, expected = plain(name, 0.1, 0.7)
    size = len(counts[0])
    together = Together(size)
    models = [Small() for _ in range(size)]
    losses = [torch.zeros(())] * size

    def work(rank: int) -> None:
        losses[rank] = gradient.backward(
            sides(models[rank], 3, rank, counts),
            terms(0.7),
            models[rank].logits,
            objectives.load(name),
            0.1,
            Rank(together, rank),
        )

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert float(sum(losses)) == pytest.approx(loss, rel=1e-12)
    for key, value in expected.items():
        parts = [model.gradients().get(key, torch.zeros_like(value)) for model in models]
        torch.testing.assert_close(torch.stack(parts).sum(0), value, rtol=1e-9, atol=1e-12)


def test_a_side_that_does_not_train_costs_no_error() -> None:
    model = Small()
    model.image.requires_grad_(False)
    made = sides(model, 4)
    gradient.backward({k: made[k] for k in ("text", "image")}, terms(0), model.logits, objectives.load("info-nce"))
    assert all(p.grad is None for p in model.image.parameters())
    assert all(p.grad is not None for p in model.text.parameters())
