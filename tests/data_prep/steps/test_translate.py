from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import sentencepiece
import torch
import transformers

from data_prep import translation
from data_prep.carriers import fetch
from data_prep.errors import UserError
from data_prep.languages import Language, load_language
from data_prep.pipeline import load_source
from data_prep.records import DropLog, Example
from data_prep.rows import Rows
from data_prep.steps import _spec
from data_prep.steps.translate import COPIED, STEP, TOO_LONG

KNOWN = {
    "a big dog": "mbwa mkubwa",
    "two cats sleep": "paka wawili wanalala",
    "a red car on the road": "gari jekundu barabarani",
    "children play football": "watoto wanacheza mpira",
    "an old tree": "mti mzee",
    "a boat on the lake": "mashua ziwani",
    "hot tea": "chai moto",
    # Left as it is, as models do with names.
    "pizza": "pizza",
}
# Taught one way only: what they become says something else on its way back.
LOST = {"the woman sells fruit": "mti mzee"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NLLB in miniature, in the layout of its publication, taught a few sentences by heart within seconds."""
    folder = tmp_path_factory.mktemp("models") / "tiny-nllb"
    folder.mkdir()
    texts = [*KNOWN, *KNOWN.values(), *LOST]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(folder / "sentencepiece.bpe"),
        vocab_size=70,
        model_type="bpe",
        minloglevel=2,
    )
    read = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    names = ("<s>", "<pad>", "</s>", "<unk>", *(read.id_to_piece(n) for n in range(3, read.get_piece_size())))
    tokenizer = transformers.NllbTokenizer(vocab={name: n for n, name in enumerate(names)}, merges=[])
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "NllbTokenizer", "additional_special_tokens": None, "src_lang": None, "tgt_lang": None}
    (folder / "tokenizer_config.json").write_text(json.dumps({**told, "model_max_length": 1024}))
    sizes = {f"{side}_{what}": n for side in ("encoder", "decoder") for what, n in (("layers", 2), ("ffn_dim", 128))}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "d_model": 64, "max_position_embeddings": 64}
    still = dict.fromkeys(
        ("dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop"), 0.0
    )
    torch.manual_seed(0)
    model = transformers.M2M100ForConditionalGeneration(
        transformers.M2M100Config(vocab_size=len(tokenizer), **sizes, **heads, **still)
    )

    def tokens(texts: list[str], code: str) -> Any:
        tokenizer.src_lang = code
        return tokenizer(texts, padding=True, return_tensors="pt")

    there = {**KNOWN, **LOST}
    swahili = tokens(list(KNOWN.values()), "swh_Latn")
    lessons = [
        (tokens(list(there), "eng_Latn"), tokens(list(there.values()), "swh_Latn")),
        (swahili, tokens(list(KNOWN), "eng_Latn")),
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        for given, wanted in lessons:
            labels = wanted.input_ids.masked_fill(wanted.attention_mask == 0, -100)
            model(**given, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def swahili() -> Language:
    return load_language("sw")


def bare(*english: str, **fields: Any) -> Example:
    """An example without captions in the language."""
    plain = {"picture": b"", "captions": (), "concept": english[0] if english else "c", "source": "s", "licence": ""}
    return Example(**{**plain, "attribution": "", "captions_en": english, **fields})


def rows(*lines: tuple[str, tuple[str, ...], str]) -> Rows:
    """Rows of an English caption, captions, and their origin."""
    count = len(lines)
    english, captions, origins = ([line[n] for line in lines] for n in range(3))
    plain = [["s"] * count, [str(n) for n in range(count)], [str(n) for n in range(count)]]
    rest = [[""] * count, ["train"] * count, [b""] * count, [""] * count]
    return Rows(*plain, captions, english, origins, *rest, np.zeros((count, 200), np.uint8), np.ones(count, bool), {})


def test_what_comes_back_is_kept_with_its_score_and_what_does_not_is_left_out_with_both_texts(tiny, swahili):
    log = DropLog()
    step = STEP(model=str(tiny))
    found = list(step.apply([bare(text) for text in (*KNOWN, *LOST)], swahili, log))
    assert {e.captions_en[0]: e.captions[0] for e in found} == {k: v for k, v in KNOWN.items() if k != "pizza"}
    assert {e.origin for e in found} == {"tiny-nllb"}
    assert [e.chrf for e in found] == [pytest.approx(100)] * len(found)
    (copied, lost) = log.drops
    assert (copied.item, copied.reason, copied.text) == ("pizza", COPIED, "pizza → pizza → pizza")
    assert lost.reason == "the translation does not come back (chrF below 40)"
    assert lost.text == "the woman sells fruit → mti mzee → an old tree"
    assert log.changes == {"captions: translated from English": len(found)}
    assert log.notes == [
        "translated by tiny-nllb, 4 beams; round trip: chrF2|nrefs:1|case:lc|eff:yes|nc:6|nw:0|space:no|"
        f"version:{sacrebleu.__version__}"
    ]


def test_a_threshold_below_what_came_back_keeps_it_with_its_low_score(tiny, swahili):
    score = sacrebleu.sentence_chrf("an old tree", ["the woman sells fruit"]).score
    assert 0 < score < 40
    for threshold, kept in ((score - 0.1, 1), (score + 0.1, 0)):
        found = list(STEP(model=str(tiny), threshold=threshold).apply([bare(*LOST)], swahili, DropLog()))
        assert [e.chrf for e in found] == [pytest.approx(score)] * kept


def test_all_english_captions_are_translated_and_the_lowest_score_is_kept(tiny, swahili):
    log = DropLog()
    example = bare("hot tea", "", "the woman sells fruit", "an old tree", variant="v", keywords=("k",))
    (found,) = STEP(model=str(tiny)).apply([example], swahili, log)
    assert (found.captions, found.keywords) == (("chai moto", "mti mzee"), ("k",))
    assert [(d.item, d.reason) for d in log.drops] == [
        ("hot tea/v (one of its captions)", "the translation does not come back (chrF below 40)")
    ]
    (low,) = STEP(model=str(tiny), threshold=0).apply([example], swahili, DropLog())
    assert low.chrf == pytest.approx(sacrebleu.sentence_chrf("an old tree", ["the woman sells fruit"]).score)
    assert low.captions == ("chai moto", "mti mzee")


def test_captions_of_people_and_pictures_without_english_pass_untouched_in_their_places(tiny, swahili):
    people = bare("hot tea", captions=("chai ya moto",))
    examples = [people, bare("hot tea"), bare(), bare("", " ")]
    log = DropLog()
    found = list(STEP(model=str(tiny)).apply(iter(examples), swahili, log))
    assert [found[0], *found[2:]] == [people, *examples[2:]]
    assert found[1].captions == ("chai moto",)
    assert log.drops == []
    # Where there is nothing to translate no model is wanted.
    assert list(STEP(model="none/such").apply([people], swahili, log)) == [people]


def test_a_caption_beyond_the_models_length_is_never_translated_in_part(tiny, swahili):
    log = DropLog()
    long = "a big dog on the road " * 10
    assert [e.concept for e in STEP(model=str(tiny)).apply([bare(long), bare("hot tea")], swahili, log)] == ["hot tea"]
    assert [(d.item, d.reason, d.text) for d in log.drops] == [(long, TOO_LONG, long)]


def test_a_piece_gives_the_same_whatever_the_batch(tiny, swahili):
    examples = [bare(text) for text in (*KNOWN, *LOST, "a dog", "two old cats on the lake", "red tea")]
    found = [list(STEP(str(tiny), threshold=0, batch_size=n).apply(examples, swahili, DropLog())) for n in (1, 3, 64)]
    assert found[0] == found[1] == found[2]


def test_another_model_takes_the_way_back_with_its_own_codes(tiny, swahili, tmp_path):
    copy = tmp_path / "other"
    copy.mkdir()
    for path in tiny.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    log = DropLog()
    (found,) = STEP(model=str(tiny), back=str(copy), language_code="swh_Latn").apply([bare("hot tea")], swahili, log)
    assert (found.origin, found.chrf) == ("tiny-nllb", pytest.approx(100))
    assert log.notes[0].endswith(", back by other")


def test_a_code_that_the_user_gave_is_taken_as_it_is(tiny, swahili):
    with pytest.raises(UserError, match=r"no language in tiny-nllb named 'swa_Latn'\. Did you mean"):
        list(STEP(model=str(tiny), language_code="swa_Latn").apply([bare("hot tea")], swahili, DropLog()))
    with pytest.raises(UserError, match=r"no language in tiny-nllb named 'eng'"):
        list(STEP(model=str(tiny), english_code="eng").apply([bare("hot tea")], swahili, DropLog()))


@pytest.mark.parametrize("option", ["threshold=101", "batch_size=0", "num_beams=0", "check=-1"])
def test_a_senseless_option_is_refused(option):
    name, _, value = option.partition("=")
    with pytest.raises(UserError, match=f"translate:{name} .* not {value}"):
        _spec.load("translate", {name: value})


def test_the_model_is_scored_against_people_on_as_many_captions_as_asked(tiny, swahili):
    data = rows(
        ("a big dog", ("mbwa mkubwa",), ""),
        ("hot tea", ("chai ya moto", "chai moto sana"), ""),
        ("two cats sleep", ("paka wawili wanalala",), ""),
        ("an old tree", ("mti",), "tiny-nllb"),
        ("an old tree", (), ""),
        ("", ("mti mzee",), ""),
    )
    log = DropLog()
    STEP(model=str(tiny)).judge(data, swahili, log)
    made = ["mbwa mkubwa", "chai moto", "paka wawili wanalala"]
    streams = [["mbwa mkubwa", "chai ya moto", "paka wawili wanalala"], [None, "chai moto sana", None]]
    chrf = sacrebleu.corpus_chrf(made, streams).score
    (note,) = log.notes
    assert note.startswith("tiny-nllb against 3 captions that people translated: BLEU ")
    assert f"chrF2 {chrf:.1f} (nrefs:var|case:mixed|eff:yes" in note
    assert chrf < 99
    assert data.kept.all()
    assert data.flags == {}
    once, again, none = DropLog(), DropLog(), DropLog()
    STEP(model=str(tiny), check=1).judge(data, swahili, once)
    STEP(model=str(tiny), check=1).judge(data, swahili, again)
    STEP(model=str(tiny), check=0).judge(data, swahili, none)
    assert "against 1 captions" in once.notes[0]
    assert (once.notes, none.notes) == (again.notes, [])


def test_fewer_than_two_in_a_hundred_unrelated_captions_pass_the_default_threshold():
    source = load_source("cldr-emoji")
    files = {r.name: fetch(r, progress=False) for r in source.about.resources}
    names = sorted({e.captions_en[0] for e in source.examples("sw", files, DropLog()) if e.captions_en})
    draw = random.Random(0)
    pairs = [draw.sample(names, 2) for _ in range(2000)]
    scores = translation.round_trip_scores([a for a, _ in pairs], [b for _, b in pairs])
    assert sum(score >= STEP().threshold for score in scores) < 0.02 * len(pairs)


def test_the_step_asks_for_a_process_of_its_own_and_its_import_loads_no_torch():
    assert STEP.serial is True
    code = "import data_prep.steps.translate, sys; print('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
