"""Trimmed vocabularies: real e5-small, XLM-R with a real SentencePiece model and multilingual BERT in small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from data_prep.errors import UserError
from data_prep.pipeline import Prepared
from mlilt import data, trim
from mlilt.towers import text, trimming
from mlilt.towers.text import TextTower
from mlilt.towers.trimming import TrimmedTower

Pair = tuple[TextTower, TrimmedTower, list[str]]
SIZES = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
NAMES = ["e5", "xlm-r", "mbert"]
UNSEEN = [
    "Wanafunzi 42 wanasoma vitabu vyao maktabani, halafu wanakwenda nyumbani!",
    "Je, ng'ombe wako wapi? (Sijui…) café ÀÇÉÎÕÜ ŵẽ žšč @#% 3.14",
]


@pytest.fixture(scope="module")
def corpus(small_sw: Prepared) -> list[str]:
    """All that the small Swahili set says."""
    rows = [row for split in data.SPLITS for row in data.read_rows(small_sw.folder, split)]
    return sorted({t for row in rows for t in (*row.captions, *row.keywords, *row.captions_en)})


@pytest.fixture(scope="module")
def pairs(e5: TextTower, xlmr_folder: Path, mbert_folder: Path, corpus: list[str]) -> dict[str, Pair]:
    """Whole tower, trimmed tower, and the texts it was trimmed for: few for the small towers, which know few pieces."""
    towers = {"e5": e5, "xlm-r": text.load(str(xlmr_folder)), "mbert": text.load(str(mbert_folder))}
    found = {}
    for name, tower in towers.items():
        texts, top = (corpus, trimming.TOP) if name == "e5" else (corpus[::12], 5)
        found[name] = tower, trimming.trim(tower, trimming.kept(tower.tokenizer, texts, top)), texts
    return found


@pytest.fixture(params=NAMES)
def pair(request: pytest.FixtureRequest, pairs: dict[str, Pair]) -> Pair:
    return pairs[request.param]


def pieces(tokenizer: Any, texts: list[str]) -> list[list[str]]:
    rows = tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    return [tokenizer.convert_ids_to_tokens(row) for row in rows]


def vectors(tower: TextTower, texts: list[str]) -> torch.Tensor:
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    back = torch.tensor(sorted(range(len(texts)), key=order.__getitem__))
    with torch.inference_mode():
        parts = [tower(tower.tokenize([texts[i] for i in order[s : s + 256]])) for s in range(0, len(order), 256)]
    return torch.cat(parts)[back]


def test_the_texts_get_the_same_pieces_and_vectors(pair: Pair) -> None:
    base, trimmed, texts = pair
    assert len(trimmed.tokenizer) < len(base.tokenizer)
    assert pieces(trimmed.tokenizer, texts) == pieces(base.tokenizer, texts)
    joined = [", ".join(texts[i : i + 3]) for i in range(0, len(texts), 3)]
    assert pieces(trimmed.tokenizer, joined) == pieces(base.tokenizer, joined)
    torch.testing.assert_close(vectors(trimmed, texts), vectors(base, texts), rtol=0, atol=1e-6)


@given(data=st.data())
def test_words_and_texts_mixed_anew_get_the_same_pieces(data: st.DataObject, pairs: dict[str, Pair]) -> None:
    base, trimmed, texts = pairs[data.draw(st.sampled_from(NAMES))]
    words = sorted({word for text in texts for word in text.split()})
    mixed = data.draw(st.lists(st.sampled_from(words) | st.sampled_from(texts), max_size=12))
    line = data.draw(st.sampled_from([" ", ", ", "  "])).join(mixed)
    assert pieces(trimmed.tokenizer, [line]) == pieces(base.tokenizer, [line])


@pytest.mark.parametrize("line", UNSEEN)
def test_unseen_text_has_no_unknown_pieces_that_it_had_not_before(line: str, pairs: dict[str, Pair]) -> None:
    for base, trimmed, _ in pairs.values():
        # The small towers' WordPiece knows some letters only inside words.
        whole, part = (pieces(t.tokenizer, line.split()) for t in (base, trimmed))
        unknown = base.tokenizer.unk_token
        assert [row for w, row in zip(whole, part, strict=True) if unknown in row and unknown not in w] == []


def test_all_letters_of_the_texts_script_digits_and_ascii_stay(
    pairs: dict[str, Pair],
) -> None:
    base, trimmed, _ = pairs["e5"]
    single = [p for p in base.tokenizer.get_vocab() if len(p) == 1]
    wanted = {p for p in single if p.isascii() or (p.isalpha() and unicodedata.name(p, "").startswith("LATIN"))}
    assert len(wanted) > 500
    assert wanted <= trimmed.tokenizer.get_vocab().keys()
    assert "▁" in trimmed.tokenizer.get_vocab()
    # Signs of scripts that the texts do not use are most of the single ones.
    assert len(trimmed.tokenizer.get_vocab().keys() & set(single)) < len(single) / 3


def test_a_few_signs_of_another_script_do_not_bring_all_of_it(e5: TextTower) -> None:
    texts = ["kitufe cha Kijapani cha kuonyesha bei na huduma ya bure kwa wageni wote mjini", "有 ሀ"]
    few = trimming.kept(e5.tokenizer, [texts[0] * 30, texts[1]], top=0)
    much = trimming.kept(e5.tokenizer, texts, top=0)
    signs = [(p[-1], i) for p, i in e5.tokenizer.get_vocab().items() if p[-1].isalpha()]
    ethiopic = {i: sign for sign, i in signs if unicodedata.name(sign, "").startswith("ETHIOPIC")}
    assert {ethiopic[i] for i in few if i in ethiopic} == {"ሀ"}
    assert len({ethiopic[i] for i in much if i in ethiopic}) > 200
    for ids in (few, much):
        assert e5.tokenizer.unk_token_id not in e5.tokenizer(texts[1])["input_ids"]
        assert set(e5.tokenizer(texts[1])["input_ids"]) <= set(ids)


def test_the_likeliest_pieces_and_those_with_extreme_scores_stay(e5: TextTower) -> None:
    vocabulary = json.loads(e5.tokenizer.backend_tokenizer.to_str())["model"]["vocab"]
    special = set(e5.tokenizer.all_special_ids)
    ranked = sorted((-score, i) for i, (_, score) in enumerate(vocabulary) if i not in special)
    few, many = (set(trimming.kept(e5.tokenizer, ["mbwa"], top=top)) for top in (0, 1000))
    assert {i for _, i in ranked[:1000]} <= many
    assert not {i for _, i in ranked[:1000]} <= few
    assert min(vocabulary[i][1] for i in few) == -ranked[-1][0]
    assert few < many
    assert special <= few


# Random vocabularies, with many ties and without some letters, hold what a real one hides.
def unigram(scored: dict[str, int]) -> Any:
    model = tokenizers.models.Unigram([("<unk>", 0.0), *((p, float(s)) for p, s in scored.items())], 0)
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<unk>")


def wordpiece(scored: dict[str, int]) -> Any:
    names = ["[UNK]", *scored, *(f"##{p}" for p in scored if len(p) < 3)]
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece({p: i for i, p in enumerate(names)}, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[UNK]")


@settings(max_examples=60)
@given(
    make=st.sampled_from([unigram, wordpiece]),
    scored=st.dictionaries(st.text("☀☁☂▁", min_size=1, max_size=4), st.integers(-4, -1), min_size=3, max_size=40),
    texts=st.lists(st.text("☀☁☂☃ ", min_size=1, max_size=12), min_size=1, max_size=4),
)
def test_any_vocabulary_trimmed_for_any_texts_segments_them_as_before(
    make: Callable[[dict[str, int]], Any], scored: dict[str, int], texts: list[str]
) -> None:
    tokenizer = make(scored)
    config = transformers.BertConfig(vocab_size=len(tokenizer), **SIZES, max_position_embeddings=8, pad_token_id=0)
    tower = TextTower(transformers.BertModel(config, add_pooling_layer=False), tokenizer, "random", "mean", 6)
    ids = trimming.kept(tokenizer, texts, top=0)
    trimmed = trimming.trim(tower, ids)
    assert pieces(trimmed.tokenizer, texts) == pieces(tokenizer, texts)
    # Whatever else is kept, and that is all that the reason given in the module asks for.
    more = trimming.trim(tower, [*ids, *range(0, len(tokenizer), 3)])
    assert pieces(more.tokenizer, texts) == pieces(tokenizer, texts)
    if make is unigram:
        used = {i for row in tokenizer(texts)["input_ids"] for i in row}
        bare = trimming.trim(tower, [0, *used, 1 + list(scored.values()).index(min(scored.values()))])
        assert pieces(bare.tokenizer, texts) == pieces(tokenizer, texts)


def test_unknown_characters_cost_unigram_what_they_did() -> None:
    tokenizer = unigram({"▁": -1, "ab": -20, "c": -20, "bc": -1, "zzz": -50})
    texts = ["abc", "bc"]
    assert pieces(tokenizer, texts) == [["▁", "ab", "c"], ["▁", "bc"]]
    ids = trimming.kept(tokenizer, texts, top=0)
    config = transformers.BertConfig(vocab_size=len(tokenizer), **SIZES, max_position_embeddings=8, pad_token_id=0)
    tower = TextTower(transformers.BertModel(config, add_pooling_layer=False), tokenizer, "random", "mean", 6)
    assert pieces(trimming.trim(tower, ids).tokenizer, texts) == pieces(tokenizer, texts)
    # Without the piece of the lowest score an unknown "a" before "bc" would be the cheaper path.
    cheaper = trimming.trim(tower, [i for i in ids if tokenizer.convert_ids_to_tokens(i) != "zzz"])
    assert pieces(cheaper.tokenizer, texts) == [["▁", "<unk>", "bc"], ["▁", "bc"]]


def test_a_word_that_wordpiece_could_not_finish_stays_unknown() -> None:
    tokenizer = wordpiece({"abc": -1, "ab": -1, "cd": -1})
    assert pieces(tokenizer, ["abcd", "ab cd"]) == [["[UNK]"], ["ab", "cd"]]
    kept = tokenizer.convert_ids_to_tokens(trimming.kept(tokenizer, ["abcd", "ab cd"], top=0))
    # Without it, "ab" and "##cd" would be found in the word.
    assert "abc" in kept


def test_the_saved_folder_is_loaded_by_transformers_and_by_us_and_gives_the_same(pair: Pair, tmp_path: Path) -> None:
    base, trimmed, texts = pair
    trimming.save(trimmed, tmp_path / "made", "abc", ["sw"])
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == ["made"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "made")
    model = transformers.AutoModel.from_pretrained(tmp_path / "made").eval()
    line = max(texts, key=len)
    assert pieces(tokenizer, texts) == pieces(base.tokenizer, texts)
    with torch.inference_mode():
        hidden = model(**tokenizer(line, return_tensors="pt")).last_hidden_state[0]
        expected = base.encoder(**base.tokenizer(line, return_tensors="pt")).last_hidden_state[0]
    torch.testing.assert_close(hidden, expected, rtol=0, atol=1e-5)
    again = text.load(str(tmp_path / "made"))
    assert again.digest() == trimmed.digest()
    assert (again.pooling, again.max_tokens) == (base.pooling, base.max_tokens)
    torch.testing.assert_close(vectors(again, texts[:64]), vectors(base, texts[:64]), rtol=0, atol=1e-6)
    told = json.loads((tmp_path / "made" / "trimming.json").read_text())
    assert (told["ids"], told["base_sha256"], told["languages"]) == (list(trimmed.ids), "abc", ["sw"])
    assert "local_files_only" not in (tmp_path / "made" / "tokenizer_config.json").read_text()


def test_the_rebuilt_sentencepiece_model_gives_the_same_pieces(
    pairs: dict[str, Pair], xlmr_folder: Path, tmp_path: Path
) -> None:
    _, trimmed, texts = pairs["xlm-r"]
    trimming.save(trimmed, tmp_path / "made")
    old, new = (
        sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
        for folder in (xlmr_folder, tmp_path / "made")
    )
    assert new.get_piece_size() < old.get_piece_size()
    assert new.encode(texts, out_type=str) == old.encode(texts, out_type=str)
    # XLM-R's ids are SentencePiece's and one, from the first ordinary piece on.
    for piece in (new.id_to_piece(i) for i in range(3, new.get_piece_size())):
        assert trimmed.tokenizer.convert_tokens_to_ids(piece) == new.piece_to_id(piece) + 1
        assert new.get_score(new.piece_to_id(piece)) == old.get_score(old.piece_to_id(piece))


def test_e5_small_for_swahili_is_stored_in_less_than_two_fifths(pairs: dict[str, Pair], tmp_path: Path) -> None:
    base, trimmed, _ = pairs["e5"]
    trimming.save(trimmed, tmp_path / "made", base.digest(), ["sw"])
    before, after = (
        sum(path.stat().st_size for path in Path(folder).iterdir())
        for folder in (base.tokenizer.name_or_path, tmp_path / "made")
    )
    assert after <= 0.4 * before
    assert base.digest() in (tmp_path / "made" / "README.md").read_text()
    assert "MIT" in (tmp_path / "made" / "README.md").read_text()


def test_the_same_ids_give_the_same_digest_and_the_base_stays_as_it_is(mbert_folder: Path) -> None:
    base = text.load(str(mbert_folder))
    before = base.digest()
    ids = trimming.kept(base.tokenizer, ["mbwa"], top=30)
    one, other = trimming.trim(base, ids), trimming.trim(base, [*ids[::-1], ids[0]])
    assert one.digest() == other.digest()
    assert trimming.trim(base, sorted({*ids, len(base.tokenizer) - 1})).digest() != one.digest()
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.fill_(7.0)
    one.requires_grad_(True)
    assert base.digest() == before
    assert not any(p.requires_grad for p in base.parameters())


def test_rows_and_special_ids_follow_their_tokens_and_the_rest_is_copied(
    pair: Pair,
) -> None:
    base, trimmed, _ = pair
    old, new = base.encoder.state_dict(), trimmed.encoder.state_dict()
    assert old.keys() == new.keys()
    word = next(name for name in old if name.endswith("word_embeddings.weight"))
    assert torch.equal(new[word], old[word][list(trimmed.ids)])
    assert all(torch.equal(new[name], old[name]) for name in old if name != word)
    assert trimmed.encoder.config.vocab_size == len(trimmed.ids) == len(new[word])
    for token in base.tokenizer.all_special_tokens:
        was, now = (t.tokenizer.convert_tokens_to_ids(token) for t in (base, trimmed))
        assert trimmed.ids[now] == was
        # Those at the front stay where they are.
        assert now == was or was > 4
    for key in ("pad_token_id", "bos_token_id", "eos_token_id"):
        was, now = (getattr(t.encoder.config, key) for t in (base, trimmed))
        assert now == (None if was is None else trimmed.ids.index(was))
    assert trimmed.pad_id == trimmed.encoder.config.pad_token_id
    assert trimmed.encoder.get_input_embeddings().padding_idx == trimmed.pad_id
    assert [m.training for m in trimmed.modules()] == [False] * len(list(trimmed.modules()))


def test_a_padding_token_that_positions_count_from_must_keep_its_id(tmp_path: Path) -> None:
    tokenizer = unigram({"▁": -1, "a": -2, "b": -3, "<pad>": 0})
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    pad = tokenizer.pad_token_id
    config = transformers.XLMRobertaConfig(
        vocab_size=len(tokenizer), **SIZES, max_position_embeddings=16, pad_token_id=pad
    )
    encoder = transformers.XLMRobertaModel(config, add_pooling_layer=False)
    tower = TextTower(encoder, tokenizer, "late", "mean", 8)
    with pytest.raises(UserError, match=f"all ids up to {pad} must stay"):
        trimming.trim(tower, [0, 1, pad])
    assert trimming.trim(tower, range(pad + 1)).pad_id == pad


def test_what_cannot_be_trimmed_is_told(mbert_folder: Path) -> None:
    base = text.load(str(mbert_folder))
    size = len(base.tokenizer)
    with pytest.raises(UserError, match=f"ids from 0 to {size - 1}; it has no {size}"):
        trimming.trim(base, [*range(10), size])
    with pytest.raises(UserError, match=r"needs its special tokens, .*\[UNK\]"):
        trimming.trim(base, [base.tokenizer.pad_token_id, 30])
    with pytest.raises(UserError, match="--top must be 0 or more, not -1"):
        trimming.kept(base.tokenizer, ["mbwa"], top=-1)
    backend = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    bpe = transformers.PreTrainedTokenizerFast(tokenizer_object=backend)
    with pytest.raises(UserError, match=r"kind BPE cannot be trimmed: Unigram \(XLM-R, E5\) and WordPiece \(mBERT\)"):
        trimming.kept(bpe, ["ab"])
    with pytest.raises(UserError, match="kind BPE"):
        trimming.trim(TextTower(base.encoder, bpe, "gpt", "mean", 8), [0, 1])


def test_a_tower_that_differs_does_not_pass_the_check(
    pairs: dict[str, Pair],
) -> None:
    base, _, texts = pairs["mbert"]
    ids = trimming.kept(base.tokenizer, texts, top=5)
    good = trimming.trim(base, ids)
    trimming.check(base, good, ids, texts, progress=False)
    used = [i for row in base.tokenizer(texts)["input_ids"] for i in row]
    long = max(
        (i for i in used if i not in base.tokenizer.all_special_ids), key=lambda i: len(base.tokenizer.decode(i))
    )
    fewer = [i for i in ids if i != long]
    with pytest.raises(UserError, match=r"splits .* not into"):
        trimming.check(base, trimming.trim(base, fewer), fewer, texts, progress=False)
    with torch.no_grad():
        good.encoder.get_input_embeddings().weight.mul_(torch.linspace(1, 1.01, 32))  # type: ignore[operator]
    with pytest.raises(UserError, match=r"Vectors of the trimmed .* differ by"):
        trimming.check(base, good, ids, texts, progress=False)


@pytest.fixture
def small(pairs: dict[str, Pair]) -> TrimmedTower:
    return pairs["mbert"][1]


def test_a_folder_appears_whole_or_not_at_all(small: TrimmedTower, tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        assert (part / "model.safetensors").is_file()
        raise UserError("not the same")

    folder = tmp_path / "deep" / "made"
    with pytest.raises(UserError, match="not the same"):
        trimming.save(small, folder, verify=fail)
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == []
    # What a killed run leaves behind: half a new folder, and the old one put aside.
    trimming.save(small, folder, "first")
    folder.rename(folder.parent / ".made.old")
    (folder.parent / ".made.part").mkdir()
    (folder.parent / ".made.part" / "config.json").write_text("{")
    with pytest.raises(UserError, match="Replace it with --force"):
        trimming.save(small, folder, "second")
    assert json.loads((folder / "trimming.json").read_text())["base_sha256"] == "first"
    with pytest.raises(UserError, match="not the same"):
        trimming.save(small, folder, "second", force=True, verify=fail)
    assert json.loads((folder / "trimming.json").read_text())["base_sha256"] == "first"
    trimming.save(small, folder, "second", force=True)
    assert json.loads((folder / "trimming.json").read_text())["base_sha256"] == "second"
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == ["made"]


def test_what_something_else_wrote_is_never_replaced(small: TrimmedTower, workplace: Path) -> None:
    other = workplace / "other"
    other.mkdir()
    trimming.save(small, other)
    for path in other.iterdir():
        path.unlink()
    (other / "config.json").write_text("mine")
    for force in (False, True):
        with pytest.raises(UserError, match=r"no trimmed text tower\. Choose another --out"):
            trimming.save(small, other, force=force)
    with pytest.raises(UserError, match="is the current folder"):
        trimming.save(small, Path(), force=True)
    (workplace / "file").write_text("mine")
    with pytest.raises(UserError, match="could not be written"):
        trimming.save(small, workplace / "file" / "made")
    assert (other / "config.json").read_text() == "mine"


def mlilt(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlilt", "trim", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=os.environ, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
    )


def test_the_command_writes_a_tower_and_tells_sizes(xlmr_folder: Path, small_sw: Prepared, tmp_path: Path) -> None:
    options = ("--lang", "sw", "--text", xlmr_folder, "--data", small_sw.folder, "--top", "5")
    done = mlilt(*options, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    folder = tmp_path / said["folder"]
    assert said["folder"] == "towers/xlm-r-sw"
    for size, where in (("before", xlmr_folder), ("after", folder)):
        tower = text.load(str(where))
        files = [p for p in where.iterdir() if p.suffix in {".json", ".model", ".safetensors"}]
        assert said[size] == {
            "vocabulary": len(tower.tokenizer),
            "parameters": sum(p.numel() for p in tower.encoder.parameters()),
            "bytes": sum(p.stat().st_size for p in files),
        }
    assert load_file(folder / "model.safetensors").keys() <= load_file(xlmr_folder / "model.safetensors").keys()
    assert text.load(str(xlmr_folder)).digest() in (folder / "README.md").read_text()
    again = mlilt(*options, cwd=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    forced = mlilt(*options, "--force", cwd=tmp_path)
    assert forced.returncode == 0, forced.stderr
    assert "Next: mlilt train --lang sw --text towers/xlm-r-sw" in forced.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lang", "yo"), "Prepare it first: `mlilt prep --lang yo`"),
        (("--lang", "swa"), "Did you mean sw"),
        (("--lang", "sw", "--lang", "sw"), "each once"),
        (("--lang", "sw", "--top", "-1"), "--top must be 0 or more"),
        ((), "--lang"),
    ],
)
def test_mistakes_are_told_before_a_tower_is_loaded(arguments: tuple[str, ...], words: str, workplace: Path) -> None:
    done = mlilt(*arguments, "--text", "no-such-tower", cwd=workplace)
    assert done.returncode == 2
    assert words in done.stderr
    assert "no-such-tower" not in done.stderr


def test_several_languages_come_from_one_folder_and_name_the_tower(
    mbert_folder: Path, small_sw: Prepared, workplace: Path
) -> None:
    (workplace / "data").mkdir()
    (workplace / "data" / "sw").symlink_to(small_sw.folder)
    with pytest.raises(UserError, match="mlilt prep --lang yo"):
        trim.trim(["sw", "yo"], str(mbert_folder), progress=False)
    made = trim.trim(["sw"], str(mbert_folder), top=0, progress=False)
    assert made.folder == Path("towers/mbert-sw")
    assert 0 < made.saved < 1
