"""Two lanes against one thread: the same vectors, gradients and errors."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from mlilt.training.lanes import Lanes


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    with Lanes.open() as found:
        assert found is not None
        yield found
    torch.set_num_threads(threads)


class Encoder(nn.Module):
    """Ids -> the mean of their embeddings, through a layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embeddings = nn.Embedding(50, 8, dtype=torch.float64)
        self.layer = nn.Linear(8, 4, dtype=torch.float64)
        self.calls: list[tuple[str, int]] = []

    def forward(self, items: Sequence[list[int]]) -> Tensor:
        self.calls.append((threading.current_thread().name, sum(map(len, items))))
        means = [self.embeddings(torch.tensor(ids)).mean(dim=0) for ids in items]
        found: Tensor = self.layer(torch.stack(means)).tanh()
        return found


ITEMS = [[(7 * item + place) % 50 for place in range(1 + item * item % 9)] for item in range(13)]


def gradients(encoder: Encoder, found: Tensor) -> list[Tensor]:
    encoder.zero_grad(set_to_none=True)
    weights = torch.arange(found.numel(), dtype=found.dtype).view(found.shape).cos()
    (found * weights).sum().backward()
    return [p.grad.clone() for p in encoder.parameters() if p.grad is not None]


def test_vectors_and_gradients_are_those_of_one_thread(lanes: Lanes) -> None:
    encoder = Encoder()
    plain = encoder(ITEMS)
    expected = gradients(encoder, plain)
    assert len(expected) == 3
    encoder.calls.clear()
    found = lanes.encode(encoder, ITEMS)
    torch.testing.assert_close(found, plain, rtol=0, atol=1e-14)
    got = gradients(encoder, found)
    assert len(got) == 3
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-13)
    (one, tokens), (other, others) = encoder.calls
    assert {one, other} <= {"lane_0", "lane_1"}
    assert tokens + others == sum(map(len, ITEMS))
    assert abs(tokens - others) <= max(map(len, ITEMS))


def test_threads_switch_often_for_as_long_as_there_are_lanes() -> None:
    before, threads = sys.getswitchinterval(), torch.get_num_threads()

    def fail() -> None:
        assert sys.getswitchinterval() < before / 100
        raise ZeroDivisionError

    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError), Lanes.open():
        fail()
    torch.set_num_threads(threads)
    assert sys.getswitchinterval() == before


def test_halves_are_encoded_and_carried_back_at_the_same_time(lanes: Lanes) -> None:
    encoder, both = Encoder(), threading.Barrier(2, timeout=60)

    def meet(gradient: Tensor) -> None:
        both.wait()

    def encode(items: Sequence[list[int]]) -> Tensor:
        both.wait()
        found = encoder(items)
        found.register_hook(meet)
        return found

    lanes.encode(encode, ITEMS).sum().backward()
    assert not both.broken


def test_gradients_are_the_same_bits_each_time(lanes: Lanes) -> None:
    encoder = Encoder().float()
    first = gradients(encoder, lanes.encode(encoder, ITEMS))
    for _ in range(30):
        for mine, theirs in zip(gradients(encoder, lanes.encode(encoder, ITEMS)), first, strict=True):
            assert torch.equal(mine, theirs)


def test_nothing_is_kept_for_a_gradient_that_is_not_wanted(lanes: Lanes) -> None:
    encoder = Encoder()
    with torch.no_grad():
        assert not lanes.encode(encoder, ITEMS).requires_grad
    encoder.requires_grad_(False)
    found = lanes.encode(encoder, ITEMS)
    assert not found.requires_grad
    torch.testing.assert_close(found, encoder(ITEMS), rtol=0, atol=1e-14)


def test_one_item_is_encoded_where_it_is_asked_for(lanes: Lanes) -> None:
    encoder = Encoder()
    assert torch.equal(lanes.encode(encoder, ITEMS[:1]), encoder(ITEMS[:1]))
    assert [thread for thread, _ in encoder.calls] == ["MainThread", "MainThread"]


def test_an_error_is_raised_when_both_lanes_have_ended(lanes: Lanes) -> None:
    ended = []

    def encode(items: Sequence[list[int]]) -> Tensor:
        if [] in items:
            raise MemoryError("no room")
        time.sleep(0.2)
        ended.append(len(items))
        return torch.zeros(len(items), 1)

    with pytest.raises(MemoryError, match="no room"):
        lanes.encode(encode, [[1, 2], []])
    assert ended == [1]


def test_an_error_in_a_lanes_backward_pass_is_raised(lanes: Lanes) -> None:
    def fail(gradient: Tensor) -> Tensor:
        raise RuntimeError("not enough memory")

    encoder = Encoder()
    found = lanes.encode(encoder, ITEMS)
    encoder.layer.weight.register_hook(fail)
    with pytest.raises(RuntimeError, match="not enough memory"):
        found.sum().backward()


def test_lanes_share_the_threads_and_others_keep_theirs(lanes: Lanes) -> None:
    assert lanes.each(lambda _: torch.get_num_threads(), [0, 0]) == [2, 2]
    assert torch.get_num_threads() == 4
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [4]


def test_there_are_none_with_one_thread_or_where_they_are_not_wanted() -> None:
    with Lanes.open(on=False) as found:
        assert found is None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with Lanes.open() as found:
            assert found is None
    finally:
        torch.set_num_threads(threads)
