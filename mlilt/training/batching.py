"""Batches of captions with their pictures: shuffled, the same for the same seed and epoch.

Captions of any length meet in a batch: none is padded (see `mlilt.towers.packing`), and negatives are of all lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mlilt.data import Entry, draws, sample_caption


@dataclass(frozen=True, slots=True)
class Batch:
    """Captions and pictures of one step.

    Attributes:
        tokens: token ids of each caption, unpadded.
        concepts: for each caption a number of its concept.
        captions: for each caption a number of its words.
        pictures: for each picture its row in the training split.
        owners: for each picture the caption it came with.
        translations: token ids of each caption in the bridge language; empty without a bridge.
    """

    tokens: list[list[int]]
    concepts: list[int]
    captions: list[int]
    pictures: list[int]
    owners: list[int]
    translations: list[list[int]]

    def dealt(self, processes: int) -> Batch:
        """The same batch in the order in which `processes` share it: every so manieth caption is the same one's.

        Dealt like cards all have about as much to do. Pictures go with their captions.
        """
        order = [place for process in range(processes) for place in range(process, len(self.tokens), processes)]
        place = {old: new for new, old in enumerate(order)}
        pictures = sorted(range(len(self.pictures)), key=lambda picture: place[self.owners[picture]])
        return replace(
            self,
            tokens=[self.tokens[i] for i in order],
            concepts=[self.concepts[i] for i in order],
            captions=[self.captions[i] for i in order],
            pictures=[self.pictures[i] for i in pictures],
            owners=[place[self.owners[i]] for i in pictures],
            translations=[self.translations[i] for i in order] if self.translations else [],
        )

    def shares(self, processes: int) -> tuple[list[int], list[int]]:
        """How many captions, and how many pictures, each process has of a batch that was dealt."""
        captions = [len(range(process, len(self.tokens), processes)) for process in range(processes)]
        ends = np.cumsum(captions)
        owners = np.asarray(self.owners)
        pictures = np.diff([0, *(np.searchsorted(owners, end) for end in ends)])
        return captions, pictures.tolist()


@dataclass(frozen=True)
class Batcher:
    """Makes each epoch's batches out of a seed and the epoch's number alone, so that a run can be resumed anywhere.

    Attributes:
        entries: what is trained on.
        tokenize: captions -> token ids.
        batch_size: captions a batch.
        pictures_per_caption: at most so many pictures share a caption.
        keyword_share: probability of a caption made of keywords.
        seed: of all choices.
        temperature: of sampling languages. A language's share of an epoch is proportional to its number of captions
            to the power of 1 / temperature: with 1 every picture is seen once an epoch. Arivazhagan et al.,
            "Massively Multilingual Neural Machine Translation in the Wild", 2019 (arXiv:1907.05019), section 4.
        bridge: also draw an English caption for each; an entry without one stands for itself.
    """

    entries: Sequence[Entry]
    tokenize: Callable[[Sequence[str]], list[list[int]]]
    batch_size: int
    pictures_per_caption: int
    keyword_share: float
    seed: int
    temperature: float = 1.0
    bridge: bool = False

    @cached_property
    def quotas(self) -> dict[str, int]:
        """Captions of each language in an epoch; together as many as there are."""
        sizes: dict[str, int] = {}
        for entry in self.entries:
            captions = -(-len(entry.rows) // self.pictures_per_caption)
            sizes[entry.language] = sizes.get(entry.language, 0) + captions
        if self.temperature == 1:
            return sizes
        weights = np.array(list(sizes.values()), dtype=float) ** (1 / self.temperature)
        # Rounded so that the sum stays: each ends where the shares so far end.
        ends = np.rint(np.cumsum(weights / weights.sum()) * sum(sizes.values())).astype(int)
        return dict(zip(sizes, np.diff([0, *ends]).tolist(), strict=True))

    @property
    def captions(self) -> int:
        """Captions an epoch."""
        return sum(self.quotas.values())

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.captions // self.batch_size)

    def epoch(self, number: int) -> list[Batch]:
        """The batches of an epoch; the last may be smaller."""
        random = np.random.default_rng([self.seed, number])
        concepts: dict[str, int] = {}
        chosen = [drawn for language in self.quotas for drawn in self._of_language(language, random)]
        tokens = self.tokenize([caption for _, caption, _ in chosen])
        translations = self._translations(chosen, random)
        order = random.permutation(len(chosen)).tolist()
        cuts = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        words: dict[str, int] = {}
        batches = []
        for cut in cuts:
            members = [chosen[i] for i in cut]
            batches.append(
                Batch(
                    tokens=[tokens[i] for i in cut],
                    concepts=[concepts.setdefault(entry.concept, len(concepts)) for entry, _, _ in members],
                    captions=[words.setdefault(caption, len(words)) for _, caption, _ in members],
                    pictures=[row for _, _, rows in members for row in rows],
                    owners=[owner for owner, (_, _, rows) in enumerate(members) for _ in rows],
                    translations=[translations[i] for i in cut] if self.bridge else [],
                )
            )
        return batches

    def _of_language(self, language: str, random: np.random.Generator) -> list[tuple[Entry, str, tuple[int, ...]]]:
        """A language's captions of an epoch, each with its entry and pictures: whole passes, and part of one more."""
        entries = [entry for entry in self.entries if entry.language == language]
        found: list[tuple[Entry, str, tuple[int, ...]]] = []
        while (left := self.quotas[language] - len(found)) > 0:
            drawn = [
                (entry, sample_caption(entry, self.keyword_share, random), rows)
                for entry in entries
                for rows in draws(entry, self.pictures_per_caption, random)
            ]
            if len(drawn) > left:
                drawn = [drawn[i] for i in sorted(random.choice(len(drawn), left, replace=False).tolist())]
            found += drawn
        return found

    def _translations(
        self, chosen: Sequence[tuple[Entry, str, tuple[int, ...]]], random: np.random.Generator
    ) -> list[list[int]]:
        if not self.bridge:
            return []
        return self.tokenize(
            [
                entry.english[int(random.integers(len(entry.english)))] if entry.english else caption
                for entry, caption, _ in chosen
            ]
        )

    def reachable_tokens(self) -> list[int]:
        """All token ids that a caption of any epoch can hold, ascending."""
        whole = [caption for entry in self.entries for caption in entry.captions]
        if self.bridge:
            whole += [caption for entry in self.entries for caption in entry.english]
        # A keyword's tokens can depend on what stands before it: the start of a caption, or a comma and a space.
        words = {word for entry in self.entries for word in entry.keywords}
        texts = [*dict.fromkeys(whole), *words, *(f"{word}, {word}" for word in words)]
        return sorted({token for ids in self.tokenize(texts) for token in ids})
