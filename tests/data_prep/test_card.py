from __future__ import annotations

import pytest
import yaml

from data_prep import card
from data_prep.languages import load_language
from data_prep.pipeline import load_source
from data_prep.records import DropLog, Example


def example(**fields) -> Example:
    plain = {"picture": b"", "captions": ("mbwa",), "concept": "dog", "source": "flags", "split": "train"}
    return Example(**{"licence": "GPL-2.0-only", "attribution": "", **plain, **fields})


def render(*examples: Example, tokenizer=None, log: DropLog | None = None) -> str:
    return card.render(
        load_language("sw"),
        {"flags": load_source("flags").about},
        examples,
        log or DropLog(),
        tokenizer,
        {"script": {"share": 0.5}},
    )


def test_tokens_per_word_is_tokens_over_words():
    assert card.tokens_per_word(["moja mbili", "tatu"], lambda texts: [len(t) for t in texts]) == (10 + 4) / 3
    assert card.tokens_per_word([], lambda texts: []) == 0


def test_the_card_names_the_tokenizer_or_says_that_there_was_none():
    twice = lambda texts: [2 * len(t.split()) for t in texts]  # noqa: E731
    assert "2.00 tokens per word (e5-small)" in render(example(), tokenizer=("e5-small", twice))
    assert "not measured: no tokenizer was at hand" in render(example())


def test_lengths_are_of_each_concepts_captions_once():
    many = [example(captions=("moja", "moja mbili tatu"), variant=v) for v in "abc"]
    text = render(*many, example(captions=("moja mbili tatu nne tano",), concept="cat"))
    assert "3 captions: median 3 words (longest 5), median 15 characters" in text


def test_what_was_changed_and_dropped_is_counted_and_bars_are_escaped():
    log = DropLog()
    log.drop("flags", "x", "a | b")
    log.change("folded", 3)
    text = render(example(), log=log)
    assert "| flags | a \\| b | 1 |" in text
    assert "| folded | 3 |" in text
    assert text.count("Nothing.") == 1
    assert render(example()).count("Nothing.") == 3


def test_licences_are_those_of_the_rows_as_the_hub_names_them():
    examples = [example(), example(licence="CC-BY-4.0+Unicode-3.0")]
    header = yaml.safe_load(render(*examples).split("---\n")[1])
    assert header["license"] == ["cc-by-4.0", "gpl-2.0", "other"]
    assert header["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]


@pytest.mark.parametrize(
    ("rows", "size"), [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**6, "n>1M")]
)
def test_size_is_one_of_the_hubs_categories(rows, size):
    assert card._size(rows) == size
