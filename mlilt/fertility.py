"""How well tokenizers of text towers know a language: tokens a word, and characters that they do not know."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from data_prep.errors import UserError

# More captions than these do not change the figures; they are taken at even distances.
MOST_CAPTIONS = 20_000


@dataclass(frozen=True, slots=True)
class Fertility:
    """What a tokenizer makes of captions, special tokens left out.

    Attributes:
        tower: how the text tower is named.
        captions: how many were looked at.
        words: runs of characters between white space.
        characters: without white space.
        tokens: all, uncut.
        unknown: characters that end in the unknown token; None where the tokenizer does not tell.
    """

    tower: str
    captions: int
    words: int
    characters: int
    tokens: int
    unknown: int | None

    @property
    def tokens_per_word(self) -> float:
        return self.tokens / self.words

    @property
    def characters_per_token(self) -> float:
        return self.characters / self.tokens

    @property
    def unknown_share(self) -> float | None:
        return None if self.unknown is None else self.unknown / self.characters


def at_hand() -> Iterator[tuple[str, Any]]:
    """Aliases of the text towers whose tokenizers are on this machine, each with its tokenizer."""
    from mlilt.towers import carried, catalog, text

    for name in catalog.names("text"):
        alias = catalog.find("text", name)
        # Making a carried tower's folder is too much work for looking.
        if alias and alias.carried and not carried.is_built(alias.carried):
            continue
        with contextlib.suppress(UserError):
            yield name, text.load_tokenizer(name, offline=True, progress=False)


def measure_all(captions: Sequence[str], towers: Sequence[str] = (), offline: bool = False) -> list[Fertility]:
    """What tokenizers make of captions: those of `towers`, which are brought here if need be, or all `at_hand`.

    Raises:
        UserError: a tower is not known or cannot be had, or there are no captions.
    """
    from mlilt.towers import text

    named = ((name, text.load_tokenizer(name, offline=offline)) for name in towers)
    return [measure(name, tokenizer, captions) for name, tokenizer in (named if towers else at_hand())]


def measure(tower: str, tokenizer: Any, captions: Sequence[str]) -> Fertility:
    """Tokenizes captions.

    Args:
        tower: how the text tower is named.
        tokenizer: as `transformers` loads it.
        captions: in one language; of many, `MOST_CAPTIONS` are taken.

    Raises:
        UserError: there is no caption with a word in it.
    """
    taken = captions[:: len(captions) // MOST_CAPTIONS + 1]
    words = sum(len(caption.split()) for caption in taken)
    if not words:
        raise UserError("There are no captions to count tokens of.")
    # Only the tokenizers of the library `tokenizers` say where a token comes from.
    told = bool(tokenizer.is_fast)
    made = tokenizer(taken, add_special_tokens=False, return_attention_mask=False, return_offsets_mapping=told)
    unknown = None
    if told:
        places = zip(taken, made["input_ids"], made["offset_mapping"], strict=True)
        unknown = sum(_unknown(caption, ids, spans, tokenizer.unk_token_id) for caption, ids, spans in places)
    return Fertility(
        tower=tower,
        captions=len(taken),
        words=words,
        characters=sum(len("".join(caption.split())) for caption in taken),
        tokens=sum(map(len, made["input_ids"])),
        unknown=unknown,
    )


def _unknown(caption: str, ids: Sequence[int], spans: Sequence[tuple[int, int]], unknown_id: int | None) -> int:
    """Characters that end in the unknown token. One token may stand for many, and two tokens for one character."""
    # A tokenizer that falls back on bytes has no unknown token, or never uses it.
    lost = {
        place
        for token, (start, end) in zip(ids, spans, strict=True)
        if token == unknown_id
        for place in range(start, end)
    }
    return sum(not caption[place].isspace() for place in lost)
