"""Nearest neighbours, held against NumPy's exact ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mlilt.search import vectors as vectors_module
from mlilt.search.vectors import EXACT, Vectors

DIM = 32


def unit(count: int, seed: int, dim: int = DIM) -> NDArray[np.float32]:
    """Vectors around a few centres, as pictures of a few kinds are."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(20, dim))
    found = centres[random.integers(20, size=count)] + 0.7 * random.normal(size=(count, dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def filled(count: int) -> tuple[Vectors, NDArray[np.uint64], NDArray[np.float32]]:
    """Vectors by keys that use all 64 bits."""
    keys = np.random.default_rng(5).integers(0, 2**64, count, dtype=np.uint64)
    made, vectors = Vectors.empty(DIM), unit(count, 1)
    made.add(keys, vectors)
    return made, keys, vectors


def exact(keys: NDArray[np.uint64], vectors: NDArray[np.float32], query: NDArray[np.float32], top: int) -> list[int]:
    scores = vectors.astype(np.float16).astype(np.float64) @ query.astype(np.float16).astype(np.float64)
    return [int(key) for key in keys[np.argsort(-scores, kind="stable")[:top]]]


def test_few_vectors_are_compared_exactly() -> None:
    made, keys, vectors = filled(500)
    queries = unit(20, 2)
    for query, (found, scores) in zip(queries, made.nearest(queries, 10), strict=True):
        order = {int(key): n for n, key in enumerate(keys)}
        places = [order[int(key)] for key in found]
        np.testing.assert_allclose(scores, vectors[places] @ query, atol=2e-3)
        assert set(found.tolist()) == set(exact(keys, vectors, query, 10))
        assert (np.diff(scores) <= 0).all()


def test_the_lists_hold_nearly_all_of_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of fifteen lists a few.
    monkeypatch.setattr(vectors_module, "_LEAST", 3_000)
    monkeypatch.setattr(vectors_module, "_SHARE", 0.2)
    made, keys, vectors = filled(EXACT + 5_000)
    queries = unit(100, 3)
    assert len(made) == EXACT + 5_000
    spans = made._nearest_lists(queries[0])
    assert 3_000 <= sum(end - start for start, end in spans) < 8_000
    listed = made.nearest(queries, 10)
    right = [
        set(found.tolist()) & set(exact(keys, vectors, q, 10)) for (found, _), q in zip(listed, queries, strict=True)
    ]
    assert sum(map(len, right)) / 1_000 >= 0.98
    compared = made.nearest(queries, 10, exact=True)
    right = [
        set(found.tolist()) & set(exact(keys, vectors, q, 10)) for (found, _), q in zip(compared, queries, strict=True)
    ]
    # All but those that float16 cannot tell apart.
    assert sum(map(len, right)) >= 998


def test_what_was_saved_is_opened_and_can_be_changed(tmp_path: Path) -> None:
    made, keys, vectors = filled(200)
    made.save(tmp_path / "v.safetensors")
    query = unit(1, 4)
    [(expected, scores)] = made.nearest(query, 5)
    opened = Vectors.open(tmp_path / "v.safetensors")
    assert (len(opened), opened.dim) == (200, DIM)
    [(found, now)] = opened.nearest(query, 5)
    assert found.tolist() == expected.tolist()
    np.testing.assert_array_equal(now, scores)
    np.testing.assert_allclose(opened.get(keys[:3]), vectors[:3], atol=1e-3)
    opened.add(np.array([7], np.uint64), query)
    assert opened.nearest(query, 1)[0][0].tolist() == [7]


def test_what_was_taken_out_is_not_found_again() -> None:
    made, keys, vectors = filled(300)
    made.remove(keys[:100])
    assert len(made) == 200
    gone = set(keys[:100].tolist())
    for found, _ in made.nearest(vectors[:100], 200):
        assert len(found) == 200
        assert not gone & set(found.tolist())
    with pytest.raises(KeyError):
        made.get(keys[:1])


def test_the_lists_hold_nearly_all_after_half_went_and_others_came() -> None:
    made, keys, vectors = filled(EXACT + 6_000)
    made.remove(keys[::2])
    new = unit(EXACT, 6)
    new_keys = np.arange(1, len(new) + 1, dtype=np.uint64)
    made.add(new_keys, new)
    keys, vectors = np.concatenate([keys[1::2], new_keys]), np.concatenate([vectors[1::2], new])
    assert len(made) == len(keys)
    queries = unit(100, 7)
    right = [
        set(found.tolist()) & set(exact(keys, vectors, q, 10))
        for (found, _), q in zip(made.nearest(queries, 10), queries, strict=True)
    ]
    assert sum(map(len, right)) / 1_000 >= 0.98


def test_asking_for_more_than_there_is_gives_all_and_of_none_nothing() -> None:
    made, _, _ = filled(3)
    [(found, _)] = made.nearest(unit(1, 4), 10)
    assert len(found) == 3
    [(found, scores)] = Vectors.empty(DIM).nearest(unit(1, 4), 10)
    assert (len(found), len(scores)) == (0, 0)
    assert made.nearest(np.empty((0, DIM), np.float32), 5) == []
    assert made.get(np.empty(0, np.uint64)).shape == (0, DIM)


def test_what_is_no_index_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "v.safetensors").write_bytes(b"none")
    with pytest.raises(ValueError, match="holds no"):
        Vectors.open(tmp_path / "v.safetensors")
