"""Batches of the real Swahili set."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from mlilt.alignment.pairs import Pairs
from mlilt.data import Entry, Row, entries
from mlilt.towers import text
from mlilt.towers.text import TextTower
from mlilt.training.batching import Batch, Batcher


@pytest.fixture(scope="module")
def batcher(train_rows: list[Row], e5: TextTower) -> Batcher:
    return Batcher(entries(train_rows), e5.tokenize, batch_size=16, pictures_per_caption=2, keyword_share=0.5, seed=7)


@pytest.mark.parametrize("per_caption", [1, 2, 3])
def test_every_picture_is_seen_exactly_once_an_epoch(batcher: Batcher, train_rows: list[Row], per_caption: int) -> None:
    batcher = dataclasses.replace(batcher, pictures_per_caption=per_caption)
    for epoch in (0, 1):
        batches = batcher.epoch(epoch)
        assert len(batches) == batcher.steps
        assert sorted(i for batch in batches for i in batch.pictures) == list(range(len(train_rows)))
        sizes = sorted((len(batch.tokens) for batch in batches), reverse=True)
        assert sizes[:-1] == [16] * (len(sizes) - 1)
        for batch in batches:
            assert len(batch.tokens) == len(batch.concepts) == len(batch.captions)
            assert len(batch.pictures) == len(batch.owners)
            shared = Counter(batch.owners)
            assert set(shared) == set(range(len(batch.tokens)))
            assert max(shared.values()) <= per_caption


def test_an_epoch_follows_from_seed_and_number_alone(batcher: Batcher) -> None:
    again = dataclasses.replace(batcher)
    again.epoch(0)
    assert again.epoch(3) == batcher.epoch(3)
    assert batcher.epoch(3) != batcher.epoch(4)
    assert dataclasses.replace(batcher, seed=8).epoch(3) != batcher.epoch(3)


def test_each_caption_is_one_of_its_pictures_entry(batcher: Batcher, train_rows: list[Row], e5: TextTower) -> None:
    batcher = dataclasses.replace(batcher, keyword_share=0.0)
    for batch in batcher.epoch(0):
        for picture, owner in zip(batch.pictures, batch.owners, strict=True):
            assert batch.tokens[owner] in e5.tokenize(train_rows[picture].captions)


def rights(batch: Batch, rows: list[Row]) -> torch.Tensor:
    numbers = {row.image_id: n for n, row in enumerate(rows)}
    images = torch.tensor([numbers[rows[picture].image_id] for picture in batch.pictures])
    of = torch.tensor(batch.owners), images, torch.tensor(batch.concepts), torch.tensor(batch.captions)
    return Pairs(*of).positive()


def test_nothing_of_one_concept_and_no_equal_words_or_pictures_are_ever_negatives(
    batcher: Batcher, train_rows: list[Row]
) -> None:
    shared = 0
    for epoch in range(3):
        for batch in batcher.epoch(epoch):
            right = rights(batch, train_rows)
            shown = [train_rows[picture] for picture in batch.pictures]
            concept = {owner: row.concept for owner, row in zip(batch.owners, shown, strict=True)}
            ids = {c: {r.image_id for o, r in zip(batch.owners, shown, strict=True) if o == c} for c in concept}
            for c, tokens in enumerate(batch.tokens):
                for p, row in enumerate(shown):
                    one = concept[c] == row.concept or row.image_id in ids[c]
                    shared += one and batch.owners[p] != c
                    # The same words give the same tokens; other words do too where a tokenizer does not know them.
                    if one:
                        assert right[c, p]
                    elif tokens != batch.tokens[batch.owners[p]]:
                        assert not right[c, p]
    assert shared > 0


def test_captions_of_equal_words_are_never_negatives_whatever_their_concepts(e5: TextTower) -> None:
    made = [Entry(("mnyama",), (), f"concept {n}", (n,)) for n in range(3)] + [Entry(("gari",), (), "car", (3,))]
    rows = [Row(str(n), e.captions, (), (), e.concept, "s", "") for n, e in enumerate(made)]
    (batch,) = Batcher(made, e5.tokenize, 8, 1, 0.0, 0).epoch(0)
    right = rights(batch, rows)
    animal = torch.tensor([picture < 3 for picture in batch.pictures])
    assert torch.equal(right, animal[:, None] == animal[None, :])


def test_captions_of_all_lengths_meet_in_a_batch(batcher: Batcher) -> None:
    """Each batch's lengths are drawn like those of the whole epoch."""
    batches = [[len(tokens) for tokens in batch.tokens] for batch in batcher.epoch(0)]
    whole = np.array([length for batch in batches for length in batch])
    for batch in (batch for batch in batches if len(batch) == 16):
        assert abs(np.mean(batch) - whole.mean()) < 3 * whole.std() / 16**0.5


@pytest.mark.parametrize("tower", ["e5-small", "xlmr_folder", "mbert_folder"])
def test_reachable_tokens_cover_all_that_any_epoch_holds(
    batcher: Batcher, tower: str, request: pytest.FixtureRequest
) -> None:
    name = tower if tower == "e5-small" else str(request.getfixturevalue(tower))
    tokenizer = text.load_tokenizer(name, progress=False)
    batcher = dataclasses.replace(
        batcher, tokenize=lambda captions: tokenizer(list(captions))["input_ids"], keyword_share=0.8
    )
    reachable = batcher.reachable_tokens()
    assert reachable == sorted(set(reachable))
    seen = {
        token for epoch in range(6) for batch in batcher.epoch(epoch) for tokens in batch.tokens for token in tokens
    }
    assert seen <= set(reachable)
    # They are those of the data, not simply all there are.
    assert len(reachable) < len(tokenizer)


def joint(sizes: dict[str, int]) -> list[Entry]:
    """Entries of several languages, with two pictures each."""
    places = iter(range(10**6))
    return [
        Entry((f"{lang} {n}",), (), f"concept {n}", (next(places), next(places)), (f"en {n}",), lang)
        for lang, size in sizes.items()
        for n in range(size)
    ]


def letters(captions: Sequence[str]) -> list[list[int]]:
    return [[ord(letter) for letter in caption] for caption in captions]


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0, 100.0])
def test_languages_are_sampled_by_the_root_of_their_sizes(temperature: float) -> None:
    sizes = {"sw": 300, "yo": 60, "qu": 3}
    batcher = Batcher(joint(sizes), letters, 32, 2, 0.0, 0, temperature=temperature)
    weights = {lang: size ** (1 / temperature) for lang, size in sizes.items()}
    total = sum(weights.values())
    expected = {lang: 363 * weight / total for lang, weight in weights.items()}
    assert sum(batcher.quotas.values()) == batcher.captions == 363
    for lang, quota in batcher.quotas.items():
        assert abs(quota - expected[lang]) <= 1
    for epoch in (0, 1):
        batches = batcher.epoch(epoch)
        assert len(batches) == batcher.steps == 12
        said = ["".join(map(chr, tokens)) for batch in batches for tokens in batch.tokens]
        assert Counter(caption.split()[0] for caption in said) == batcher.quotas
        # A small language comes round again only when all of it has been seen.
        for lang, size in sizes.items():
            times = Counter(caption for caption in said if caption.startswith(lang))
            passes = batcher.quotas[lang] / size
            assert set(times.values()) <= {int(passes), int(passes) + 1} | ({1} if passes < 1 else set())


def test_a_bridge_gives_each_caption_an_english_one_and_makes_its_tokens_reachable() -> None:
    entries = [*joint({"sw": 5}), Entry(("alone",), (), "none", (99,), (), "sw")]
    batcher = Batcher(entries, letters, 4, 2, 0.0, 0, bridge=True)
    for batch in batcher.epoch(0):
        for tokens, english in zip(batch.tokens, batch.translations, strict=True):
            own = "".join(map(chr, tokens))
            assert "".join(map(chr, english)) == ("alone" if own == "alone" else own.replace("sw", "en"))
    reachable = set(batcher.reachable_tokens())
    assert ord("e") in reachable - set(
        dataclasses.replace(batcher, entries=joint({"sw": 5}), bridge=False).reachable_tokens()
    )
    assert all(batch.translations == [] for batch in dataclasses.replace(batcher, bridge=False).epoch(0))


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_a_batch_is_dealt_like_cards_and_stays_the_same_batch(
    processes: int, batcher: Batcher, train_rows: list[Row]
) -> None:
    for batch in batcher.epoch(0):
        dealt = batch.dealt(processes)
        captions, pictures = dealt.shares(processes)
        assert len(captions) == len(pictures) == processes
        assert (sum(captions), sum(pictures)) == (len(batch.tokens), len(batch.pictures))
        assert max(captions) - min(captions) <= 1

        def facts(made: Batch) -> list[tuple[object, ...]]:
            return sorted(
                (made.captions[owner], made.concepts[owner], tuple(made.tokens[owner]), picture)
                for owner, picture in zip(made.owners, made.pictures, strict=True)
            )

        assert facts(dealt) == facts(batch)
        start = picture = 0
        for own, shown in zip(captions, pictures, strict=True):
            owners = dealt.owners[picture : picture + shown]
            # Each process has the pictures of its captions, all of them.
            assert set(owners) == set(range(start, start + own))
            start, picture = start + own, picture + shown
    assert batcher.epoch(0)[0].dealt(1) == batcher.epoch(0)[0]
