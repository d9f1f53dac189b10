from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
import sentencepiece
import torch
import transformers

from data_prep import translation
from data_prep.errors import UnknownNameError, UserError
from data_prep.languages import Language
from data_prep.translation import ENGLISH, Scores, Translator, codes_of, load, score_translations

SENTENCES = ["a big dog", "two cats sleep", "mbwa mkubwa", "paka wawili wanalala", "chai moto", "hot tea and a boat"]
SWAHILI = ("swh_Latn", "sw", "swh_Latn", "swh")
SMALL = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": 64,
    # Far from each other, so that rounding decides nothing.
    "init_std": 0.5,
}


def language(**fields: Any) -> Language:
    plain = {"code": "sw", "iso639_3": "swh", "name": "Swahili", "autonym": "Kiswahili", "script": "Latn"}
    return Language.model_validate({**plain, "sources": {"s": "sw"}, **fields})


def pieces(path: Path, kind: str, size: int = 60, **more: Any) -> list[str]:
    """Trains SentencePiece and writes its model; returns its pieces."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_prefix=str(path.with_suffix("")),
        vocab_size=size,
        model_type=kind,
        hard_vocab_limit=False,
        minloglevel=2,
        **more,
    )
    if path.suffix != ".model":
        path.with_suffix(".model").rename(path)
    made = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [made.id_to_piece(n) for n in range(made.get_piece_size())]


def save(folder: Path, config: Any, **tokenizer: Any) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    torch.manual_seed(0)
    transformers.AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)


def nllb(folder: Path) -> None:
    """NLLB as it is published: tokenizer.json beside the settings, which name no codes."""
    names = ("<s>", "<pad>", "</s>", "<unk>", *pieces(folder / "sentencepiece.bpe.model", "bpe")[3:])
    made = transformers.NllbTokenizer(vocab={name: n for n, name in enumerate(names)}, merges=[])
    made.backend_tokenizer.save(str(folder / "tokenizer.json"))
    told = {"additional_special_tokens": None, "src_lang": None, "tgt_lang": None, "model_max_length": 1024}
    save(folder, transformers.M2M100Config(vocab_size=len(made), **SMALL), tokenizer_class="NllbTokenizer", **told)


def m2m100(folder: Path) -> None:
    names = ("<s>", "<pad>", "</s>", "<unk>", *pieces(folder / "sentencepiece.bpe.model", "bpe")[3:])
    (folder / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    size = len(names) + 100 + 8
    save(folder, transformers.M2M100Config(vocab_size=size, **SMALL), tokenizer_class="M2M100Tokenizer")


def mbart50(folder: Path) -> None:
    vocab = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>", *pieces(folder / "x.model", "unigram")[3:])]
    made = transformers.MBart50Tokenizer(vocab=vocab)
    made.save_pretrained(folder)
    config = transformers.MBartConfig(vocab_size=len(made), decoder_start_token_id=2, **SMALL)
    save(folder, config, **json.loads((folder / "tokenizer_config.json").read_text()))


def mbart(folder: Path) -> None:
    """mbart-large-en-ro: a model of one pair starts with the code of its target."""
    vocab = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>", *pieces(folder / "x.model", "unigram")[3:])]
    made = transformers.MBartTokenizer(vocab=[*vocab, ("en_XX", 0.0), ("ro_RO", 0.0), ("<mask>", 0.0)])
    made.save_pretrained(folder)
    start = made.convert_tokens_to_ids("ro_RO")
    config = transformers.MBartConfig(vocab_size=len(made), decoder_start_token_id=start, **SMALL)
    save(folder, config, **json.loads((folder / "tokenizer_config.json").read_text()))


def marian(folder: Path, source: str = "en", target: str = "sw", codes: tuple[str, ...] = ()) -> None:
    names = pieces(folder / "source.spm", "unigram")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    vocab = ["</s>", "<unk>", *codes, *names[3:], "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(vocab)}))
    pad = len(vocab) - 1
    ends = {"pad_token_id": pad, "decoder_start_token_id": pad, "eos_token_id": 0, "forced_eos_token_id": 0}
    config = transformers.MarianConfig(vocab_size=len(vocab), **ends, **SMALL)
    save(folder, config, tokenizer_class="MarianTokenizer", source_lang=source, target_lang=target)


def marian_many(folder: Path) -> None:
    marian(folder, "eng", "mul", (">>swh<<", ">>yor<<"))


def madlad(folder: Path) -> None:
    names = pieces(folder / "spiece.model", "unigram", user_defined_symbols=["<2en>", "<2sw>", "<2zu>"])
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 1}
    config = transformers.T5Config(vocab_size=len(names), pad_token_id=1, eos_token_id=2, **sizes)
    told = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<s>", "extra_ids": 0, "legacy": False}
    save(folder, config, tokenizer_class="T5Tokenizer", **told)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Translator]:
    """Makes an untrained model of a family, once, and loads it."""

    def make(build: Callable[[Path], None]) -> Translator:
        folder = tmp_path_factory.getbasetemp() / build.__name__
        if not folder.exists():
            folder.mkdir()
            build(folder)
        return load(str(folder))

    return make


# What is put before and behind a text that is to be translated into Swahili, and what the model is made to begin with.
FAMILIES = {
    nllb: (("eng_Latn", "swh_Latn"), ["eng_Latn"], ["</s>"], {"forced_bos_token_id": "swh_Latn"}),
    m2m100: (("en", "sw"), ["__en__"], ["</s>"], {"forced_bos_token_id": "__sw__"}),
    mbart50: (("en_XX", "sw_KE"), ["en_XX"], ["</s>"], {"forced_bos_token_id": "sw_KE"}),
    marian: (("", ""), [], ["</s>"], {}),
    marian_many: (("", "swh"), [">>swh<<"], ["</s>"], {}),
    madlad: (("", "sw"), ["<2sw>"], ["</s>"], {}),
}


@pytest.mark.parametrize("build", FAMILIES, ids=lambda build: build.__name__)
def test_each_family_is_told_the_languages_in_its_own_way(model, build):
    pair, before, behind, first = FAMILIES[build]
    translator = model(build)
    assert translator.pair(ENGLISH, SWAHILI) == pair
    ids = translator.encode(["a big dog"], pair)[0]
    tokens = [t.removeprefix("▁") for t in translator.tokenizer.convert_ids_to_tokens(ids) if t != "▁"]
    assert (tokens[: len(before)], tokens[-len(behind) :]) == (before, behind)
    assert "".join(tokens[len(before) : -len(behind)]) == "abigdog"
    known = {name: translator.tokenizer.convert_ids_to_tokens(n) for name, n in translator.first(pair[1]).items()}
    assert known == first
    assert translator.both_ways == (build not in (marian, marian_many))


@pytest.mark.parametrize("build", FAMILIES, ids=lambda build: build.__name__)
def test_translating_in_batches_equals_one_by_one_and_an_empty_text_stays_empty(model, build):
    translator = model(build)
    pair = translator.pair(ENGLISH, SWAHILI)
    texts = ["hot tea and a boat", "", "a big dog", "  ", "a dog", "two cats sleep"]
    done: list[int] = []
    together = translator.translate(texts, pair, batch_size=3, advance=done.append)
    assert together == [translator.translate([text], pair, batch_size=1)[0] for text in texts]
    assert (together[1], together[3]) == ("", "")
    assert (sum(done), max(done) <= 3) == (4, True)
    assert len(set(together)) > 1
    first = translator.first(pair[1]).values()
    assert not any(translator.tokenizer.convert_ids_to_tokens(code) in text for text in together for code in first)


def test_an_mbart_model_of_one_pair_begins_with_the_code_itself(model):
    translator = model(mbart)
    pair = translator.pair(ENGLISH, ("ron_Latn", "ro"))
    assert pair == ("en_XX", "ro_RO")
    assert translator.first("ro_RO") == {"decoder_start_token_id": translator.tokenizer.convert_tokens_to_ids("ro_RO")}
    ids = translator.encode(["hot tea"], pair)[0]
    assert translator.tokenizer.convert_ids_to_tokens(ids)[-2:] == ["</s>", "en_XX"]


def test_a_text_beyond_the_models_length_is_cut_with_its_codes_kept(model):
    translator = model(nllb)
    pair = translator.pair(ENGLISH, SWAHILI)
    long = "big dog " * 100
    assert translator.max_tokens == 64
    assert translator.too_long([long, "a dog"], pair) == [True, False]
    cut, whole = translator.encode([long], pair)[0], translator.encode([long], pair, cut=False)[0]
    assert cut == [*whole[:63], translator.tokenizer.eos_token_id]
    assert translator.translate([long], pair) != [""]


def test_a_language_that_the_model_does_not_know_is_named_with_the_nearest(model):
    with pytest.raises(
        UnknownNameError, match=r"no language in nllb named 'swc_Latn'\. Did you mean .*s\w\w_Latn"
    ) as e:
        model(nllb).pair(ENGLISH, ("swc_Latn", "swc"))
    assert "--step translate:language_code=CODE" in str(e.value)
    with pytest.raises(UnknownNameError, match=r"no language in madlad named 'zul_Latn'\. Known: en, sw, zu\."):
        model(madlad).pair(ENGLISH, ("zul_Latn", "zul"))


def test_a_model_of_one_direction_refuses_the_other(model):
    with pytest.raises(UserError, match="marian translates from en to sw, not from swh_Latn to eng_Latn"):
        model(marian).pair(SWAHILI, ENGLISH)
    with pytest.raises(UserError, match="marian_many translates from eng to mul, not from"):
        model(marian_many).pair(SWAHILI, ENGLISH)


def test_a_tokenizer_that_takes_the_code_apart_is_refused(model):
    whole = ("<pad>", "</s>", "<unk>", "▁", "▁a", "<2en>", *"<2>en")
    split = transformers.T5Tokenizer(vocab=[(name, -99.0 if name == "<2en>" else -1.0) for name in whole], extra_ids=0)
    with pytest.raises(UserError, match="takes its own token <2en> apart"):
        Translator(model(madlad).model, split, "split").pair(("sw",), ENGLISH)


def test_a_language_may_be_called_by_its_codes_but_never_in_another_script():
    assert codes_of(language()) == ("sw", "swh_Latn", "swh")
    assert codes_of(language(code="qu", iso639_3="que", flores200=["quy_Latn"])) == (
        "quy_Latn",
        "qu",
        "que_Latn",
        "que",
    )
    assert codes_of(language(code="pt-BR", iso639_3="por")) == ("pt-BR", "pt_BR", "por_Latn", "pt", "por")
    serbian = language(code="sr-Latn", iso639_3="srp")
    assert codes_of(serbian) == ("sr-Latn", "sr_Latn", "srp_Latn")


def test_weights_of_the_old_kind_load_the_same_and_code_in_them_does_not(model, tmp_path):
    new = model(nllb)
    folder = tmp_path / "old"
    folder.mkdir()
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((Path(new.tokenizer.name_or_path) / name).read_bytes())
    torch.save(new.model.state_dict(), folder / "pytorch_model.bin")
    pair = new.pair(ENGLISH, SWAHILI)
    assert load(str(folder)).translate(SENTENCES, pair) == new.translate(SENTENCES, pair)

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harm",))

    load.cache_clear()
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"weight": Harmful()}, file)
    with pytest.raises(UserError, match="cannot be loaded as a seq2seq model"):
        load(str(folder))
    assert not (tmp_path / "harm").exists()


def test_a_model_that_cannot_be_had_says_how_to_bring_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="hf download facebook/nllb-200-distilled-600M --local-dir DIR") as e:
        load("nllb")
    assert "`--translate DIR`" in str(e.value)
    with pytest.raises(UnknownNameError, match=r"no translation model named 'nlb'\. Did you mean nllb.*a local folder"):
        load("nlb")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty cannot be loaded as a seq2seq model"):
        load(str(tmp_path / "empty"))


def test_a_folder_without_the_codes_or_with_weights_missing_says_what_to_fetch(model, tmp_path):
    source = Path(model(nllb).tokenizer.name_or_path)
    bare, lacking = tmp_path / "bare", tmp_path / "lacking"
    for folder in (bare, lacking):
        folder.mkdir()
        for path in source.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    (bare / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer of bare knows no codes of languages\. Fetch .* tokenizer\.json"):
        load(str(bare))
    from safetensors.torch import load_file, save_file

    weights = load_file(lacking / "model.safetensors")
    del weights["model.encoder.layers.0.fc1.weight"]
    save_file(weights, lacking / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"lack \['model.encoder.layers.0.fc1.weight'\]\. Fetch the model again"):
        load(str(lacking))


def test_the_round_trip_is_chrf_by_its_formula_and_case_does_not_count():
    # "cat" against "car", n-grams up to 3: 2 of 3 letters, 1 of 2 pairs, 0 of 1 triple, precision = recall.
    assert translation.round_trip_scores(["car"], ["cat"]) == [pytest.approx(100 * (2 / 3 + 1 / 2 + 0) / 3)]
    # "abc" came back as "ab": letters 2/2 and 2/3, pairs 1/1 and 1/2; recall counts four times as much (beta = 2).
    precision, recall = (1 + 1) / 2, (2 / 3 + 1 / 2) / 2
    assert translation.round_trip_scores(["abc"], ["ab"]) == [
        pytest.approx(100 * 5 * precision * recall / (4 * precision + recall))
    ]
    assert translation.round_trip_scores(["A big Dog"], ["a big dog"]) == [pytest.approx(100)]
    english, back = ["two cats sleep", "hot tea", "x"], ["two cats are asleep", "hot coffee", ""]
    wanted = [sacrebleu.sentence_chrf(b.lower(), [e.lower()]).score for e, b in zip(english, back, strict=True)]
    assert translation.round_trip_scores(english, back) == pytest.approx(wanted)
    expected = f"chrF2|nrefs:1|case:lc|eff:yes|nc:6|nw:0|space:no|version:{sacrebleu.__version__}"
    assert translation.round_trip_signature() == expected


def test_scores_against_people_are_sacrebleus_with_its_signatures():
    made = ["the big dog runs on the road", "two cats sleep here today", "hot tea is on the table"]
    people = [
        ("the big dog runs on a road", "a large dog is running"),
        ("two cats sleep there today",),
        ("the hot tea is on the table",),
    ]
    found = score_translations(made, people, "Latn")
    streams = [[people[0][0], people[1][0], people[2][0]], [people[0][1], None, None]]
    assert found == Scores(
        3,
        sacrebleu.corpus_bleu(made, streams).score,
        sacrebleu.corpus_chrf(made, streams).score,
        sacrebleu.corpus_chrf(made, streams, word_order=2).score,
        found.signatures,
    )
    assert found.bleu > 30
    version = sacrebleu.__version__
    assert found.signatures == (
        f"nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}",
        f"nrefs:var|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}",
        f"nrefs:var|case:mixed|eff:yes|nc:6|nw:2|space:no|version:{version}",
    )
    assert f"chrF2++ {found.chrf_plus:.1f} (nrefs:var|case:mixed|eff:yes|nc:6|nw:2" in str(found)
    khmer = score_translations(["ឆ្កែធំមួយក្បាល"], [["ឆ្កែធំមួយ"]], "Khmr")
    assert khmer.bleu == pytest.approx(sacrebleu.corpus_bleu(["ឆ្កែធំមួយក្បាល"], [["ឆ្កែធំមួយ"]], tokenize="char").score)
    assert khmer.bleu > 50
