"""Tokens a word and unknown characters, on real tokenizers and on small ones of other kinds."""

from __future__ import annotations

import pytest
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from data_prep.errors import UserError
from mlilt import fertility
from mlilt.towers import text


@pytest.fixture(scope="module")
def e5_tokenizer():
    return text.load_tokenizer("e5-small", progress=False)


def test_tokens_and_words_are_those_of_the_tokenizer_itself(e5_tokenizer):
    captions = ["mbwa mkubwa anakimbia", "ufunguo", " paka  wawili "]
    found = fertility.measure("e5-small", e5_tokenizer, captions)
    tokens = sum(len(e5_tokenizer.tokenize(caption)) for caption in captions)
    assert (found.captions, found.words, found.tokens) == (3, 6, tokens)
    assert found.characters == len("mbwamkubwaanakimbiaufungopakawawili") + 1
    assert found.tokens_per_word == tokens / 6
    assert found.characters_per_token == found.characters / tokens
    assert found.unknown == 0


@pytest.mark.parametrize(
    ("caption", "unknown"),
    [
        ("mbwa mkubwa", 0),
        # Old Persian is in no vocabulary. White space between unknown characters is none itself.
        ("mbwa 𐎠𐎡 mkubwa 𐎢", 3),
        ("𐎠𐎡𐎢 𐎠", 4),
        ("a𐎠b", 1),
        # Marks are looked at where they stand in the caption, not where normalization puts them.
        ("ｆｕｌｌ e\u0301 𐎠", 1),
    ],
)
def test_unknown_characters_are_counted_where_they_stand(e5_tokenizer, caption, unknown):
    found = fertility.measure("e5-small", e5_tokenizer, [caption])
    assert found.unknown == unknown
    assert found.unknown_share == unknown / len("".join(caption.split()))


def test_of_word_pieces_the_whole_word_is_lost_with_one_character(tiny):
    tokenizer = text.load_tokenizer(tiny["mbert"])
    assert tokenizer.convert_tokens_to_ids("[UNK]") in tokenizer("mbwa 𐎠mbwa", add_special_tokens=False)["input_ids"]
    found = fertility.measure("mbert", tokenizer, ["mbwa 𐎠mbwa"])
    assert found.unknown == len("𐎠mbwa")


def test_bytes_leave_nothing_unknown_and_slow_tokenizers_do_not_tell():
    alphabet = {piece: place for place, piece in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found = fertility.measure("bytes", transformers.PreTrainedTokenizerFast(tokenizer_object=made), ["a 𐎠"])
    assert (found.tokens, found.unknown, found.unknown_share) == (1 + 1 + 4, 0, 0)
    slow = transformers.ByT5Tokenizer()
    assert not slow.is_fast
    found = fertility.measure("slow", slow, ["a 𐎠"])
    assert (found.tokens, found.unknown, found.unknown_share) == (1 + 1 + 4, None, None)


def test_of_many_captions_some_are_taken_at_even_distances(e5_tokenizer, monkeypatch):
    monkeypatch.setattr(fertility, "MOST_CAPTIONS", 10)
    captions = [f"picha {n}" for n in range(25)]
    assert fertility.measure("e5-small", e5_tokenizer, captions) == fertility.measure(
        "e5-small", e5_tokenizer, captions[::3]
    )


def test_towers_at_hand_are_those_whose_tokenizer_is_here_and_none_is_fetched(tmp_path, monkeypatch, e5_tokenizer):
    assert "e5-small" in dict(fertility.at_hand())
    monkeypatch.setenv("MLILT_CACHE", str(tmp_path / "empty"))
    assert "e5-small" not in dict(fertility.at_hand())
    assert not (tmp_path / "empty").exists()


def test_towers_can_be_named_and_a_wrong_name_is_told(tiny):
    (found,) = fertility.measure_all(["mbwa"], [tiny["xlm-r"]])
    assert (found.tower, found.words) == (tiny["xlm-r"], 1)
    with pytest.raises(UserError, match="Did you mean"):
        fertility.measure_all(["mbwa"], ["e5-smal"])
    with pytest.raises(UserError, match="no captions"):
        fertility.measure_all([], [tiny["xlm-r"]])
