"""Batches of captions with their pictures: by length, shuffled, the same for the same seed and epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlilt.data import Entry, draws, sample_caption

# Captions are sorted by length within windows of so many batches: little padding, still well mixed.
WINDOW = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """Captions and pictures of one step.

    Attributes:
        tokens: token ids of each caption, unpadded.
        concepts: for each caption a number of its concept.
        captions: for each caption a number of its words.
        pictures: for each picture its row in the training split.
        owners: for each picture the caption it came with.
    """

    tokens: list[list[int]]
    concepts: list[int]
    captions: list[int]
    pictures: list[int]
    owners: list[int]


@dataclass(frozen=True, slots=True)
class Batcher:
    """Makes each epoch's batches out of a seed and the epoch's number alone, so that a run can be resumed anywhere.

    Attributes:
        entries: what is trained on.
        tokenize: captions -> token ids.
        batch_size: captions a batch.
        pictures_per_caption: at most so many pictures share a caption.
        keyword_share: probability of a caption made of keywords.
        seed: of all choices.
    """

    entries: Sequence[Entry]
    tokenize: Callable[[Sequence[str]], list[list[int]]]
    batch_size: int
    pictures_per_caption: int
    keyword_share: float
    seed: int

    @property
    def steps(self) -> int:
        """Batches an epoch: every picture is seen once."""
        per_caption = self.pictures_per_caption
        captions = sum(-(-len(entry.rows) // per_caption) for entry in self.entries)
        return -(-captions // self.batch_size)

    def epoch(self, number: int) -> list[Batch]:
        """The batches of an epoch; the last of them to be made may be smaller."""
        random = np.random.default_rng([self.seed, number])
        concepts: dict[str, int] = {}
        chosen = [
            (concepts.setdefault(entry.concept, len(concepts)), sample_caption(entry, self.keyword_share, random), rows)
            for entry in self.entries
            for rows in draws(entry, self.pictures_per_caption, random)
        ]
        tokens = self.tokenize([caption for _, caption, _ in chosen])
        shuffled = random.permutation(len(chosen))
        window = WINDOW * self.batch_size
        order: list[int] = []
        for start in range(0, len(shuffled), window):
            # A stable sort of a shuffled window: captions of one length stay mixed.
            order += sorted(shuffled[start : start + window].tolist(), key=lambda i: len(tokens[i]))
        cuts = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        words: dict[str, int] = {}
        batches = []
        for place in random.permutation(len(cuts)).tolist():
            members = [chosen[i] for i in cuts[place]]
            batches.append(
                Batch(
                    tokens=[tokens[i] for i in cuts[place]],
                    concepts=[concept for concept, _, _ in members],
                    captions=[words.setdefault(caption, len(words)) for _, caption, _ in members],
                    pictures=[row for _, _, rows in members for row in rows],
                    owners=[owner for owner, (_, _, rows) in enumerate(members) for _ in rows],
                )
            )
        return batches

    def reachable_tokens(self) -> list[int]:
        """All token ids that a caption of any epoch can hold, ascending."""
        whole = [caption for entry in self.entries for caption in entry.captions]
        # A keyword's tokens can depend on what stands before it: the start of a caption, or a comma and a space.
        words = {word for entry in self.entries for word in entry.keywords}
        texts = [*dict.fromkeys(whole), *words, *(f"{word}, {word}" for word in words)]
        return sorted({token for ids in self.tokenize(texts) for token in ids})
