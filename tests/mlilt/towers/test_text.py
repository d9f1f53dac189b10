"""Text towers: XLM-R and multilingual BERT in small, and the real default, run the same code."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from data_prep.errors import UnknownNameError, UserError
from mlilt.towers import text
from mlilt.towers.text import TextTower, length_groups

FOLDERS = ["xlmr_folder", "mbert_folder"]
CAPTIONS = ["mbwa", "uso wenye tabasamu pana na macho yanayotabasamu", "", "bendera ya Kenya", "gari", "ŋʼ ☂ \u0301"]


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def one_by_one(tower: TextTower, captions: list[str], pooling: str) -> torch.Tensor:
    """Each caption by itself, unpadded, pooled by hand."""
    vectors = []
    for ids in tower.tokenize(captions):
        hidden = tower.encoder(input_ids=torch.tensor([ids])).last_hidden_state[0]
        vectors.append(hidden[0] if pooling == "cls" else torch.stack(list(hidden)).double().mean(0).float())
    return torch.stack(vectors)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_batch_gives_what_each_caption_gives_by_itself_in_the_callers_order(
    folder: Path, pooling: Any, packed: bool
) -> None:
    tower = text.load(str(folder), pooling=pooling)
    tower.settle(torch.device("cpu"), packed)
    with torch.inference_mode():
        found = tower(tower.tokenize(CAPTIONS))
        assert found.dtype == torch.float32
        assert found.shape == (len(CAPTIONS), tower.width)
        torch.testing.assert_close(found, one_by_one(tower, CAPTIONS, pooling), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("packed", [True, False])
def test_gradients_are_those_of_each_caption_by_itself(folder: Path, packed: bool) -> None:
    tower = text.load(str(folder))
    tower.settle(torch.device("cpu"), packed)
    tower.encoder.requires_grad_(True)
    weights = torch.randn(len(CAPTIONS), tower.width, generator=torch.Generator().manual_seed(0))
    gradients = []
    for vectors in (tower(tower.tokenize(CAPTIONS)), one_by_one(tower, CAPTIONS, "mean")):
        tower.zero_grad()
        (vectors * weights).sum().backward()
        gradients.append({n: p.grad.clone() for n, p in tower.encoder.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() == dict(tower.encoder.named_parameters()).keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-3, atol=1e-5)


def test_the_tower_comes_frozen_in_eval_mode_in_float32_and_without_a_pooling_head(folder: Path) -> None:
    tower = text.load(str(folder))
    assert not any(module.training for module in tower.modules())
    assert not any(p.requires_grad for p in tower.parameters())
    assert {p.dtype for p in tower.parameters()} == {torch.float32}
    assert not [name for name, _ in tower.named_parameters() if "pooler" in name or "cls." in name]


def test_the_weights_are_those_of_the_file(folder: Path) -> None:
    stored = load_file(folder / "model.safetensors")
    for name, parameter in text.load(str(folder)).encoder.named_parameters():
        assert torch.equal(parameter, stored.get(name, stored.get(f"bert.{name}")))


def test_sentencepieces_own_pieces_are_the_tokens_of_xlm_r(xlmr_folder: Path, texts: list[str]) -> None:
    model = sentencepiece.SentencePieceProcessor(model_file=str(xlmr_folder / "sentencepiece.bpe.model"))
    tokenizer = text.load_tokenizer(str(xlmr_folder))
    # One blank at a time: SentencePiece's normalizer joins several, a step of its own.
    plain = [t for t in texts if t.isascii() and "  " not in t]
    assert len(plain) > 100
    for caption in plain:
        ids = tokenizer(caption)["input_ids"]
        assert tokenizer.convert_ids_to_tokens(ids) == ["<s>", *model.encode(caption, out_type=str), "</s>"]


def test_long_captions_are_cut_with_their_special_tokens_kept(folder: Path) -> None:
    tower = text.load(str(folder))
    short, long = tower.tokenize(["mbwa", "mbwa " * 500])
    assert len(long) == tower.max_tokens == 64
    assert (long[0], long[-1]) == (short[0], short[-1])
    assert text.count_tokens(tower.tokenizer, ["mbwa " * 500]) == [500 * (len(short) - 2)]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_tower_of_few_positions_cuts_so_that_they_suffice(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = tmp_path / "short"
    shutil.copytree(request.getfixturevalue(name), folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.max_position_embeddings = 12
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    tower = text.load(str(folder))
    with torch.inference_mode():
        assert tower(tower.tokenize(["mbwa " * 50])).isfinite().all()


def test_no_captions_at_all_have_no_tokens(folder: Path) -> None:
    assert text.load(str(folder)).tokenize([]) == []


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=7).map(sorted),
    group_tokens=st.sampled_from([0, 1, 5, 20, 1000]),
)
def test_groups_by_length_are_the_cheapest_there_are(lengths: list[int], group_tokens: int) -> None:
    def cost(groups: list[tuple[int, int]]) -> int:
        return sum(group_tokens + (end - start) * max(lengths[start:end]) for start, end in groups)

    count = len(lengths)
    every = []
    for pattern in range(2 ** (count - 1)):
        ends = [place + 1 for place in range(count - 1) if pattern >> place & 1] + [count]
        every.append(list(zip([0, *ends[:-1]], ends, strict=True)))
    found = length_groups(lengths, group_tokens)
    assert found in every
    assert cost(found) == min(map(cost, every))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("e5-smal", "no text tower named 'e5-smal'. Did you mean e5-small"),
        ("XLM-R-Base", "Did you mean xlm-r-base"),
        ("./nowhere", "hub id \\(organization/model\\) or a local folder"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UnknownNameError, match=said):
        text.load(name)


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def test_a_folder_with_pickled_weights_alone_is_refused_and_no_code_in_it_is_run(folder: Path, tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    own = copied(folder, tmp_path / "own")
    (own / "model.safetensors").unlink()
    (own / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Code()}, protocol=2))
    with pytest.raises(UserError, match=r"cannot be loaded as a transformers model with safetensors"):
        text.load(str(own))
    assert not (tmp_path / "ran").exists()


def test_weights_that_lack_a_tensor_are_refused(folder: Path, tmp_path: Path) -> None:
    own = copied(folder, tmp_path / "own")
    tensors = load_file(own / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("layer.1.output.dense.weight"))
    save_file({n: t for n, t in tensors.items() if n != lost}, own / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"lack \['encoder\.layer\.1\.output\.dense\.weight'\]"):
        text.load(str(own))


def test_weights_of_another_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    own = copied(folder, tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "intermediate_size": 50}))
    with pytest.raises(UserError, match=r"weights of .*own"):
        text.load(str(own))


@pytest.mark.parametrize(
    ("file", "said"), [("model.safetensors", "The weights of"), ("tokenizer.json", "The tokenizer of")]
)
def test_a_file_cut_short_is_an_error_that_names_the_folder(folder: Path, file: str, said: str, tmp_path: Path) -> None:
    own = copied(folder, tmp_path / "own")
    (own / file).write_bytes((own / file).read_bytes()[:200])
    with pytest.raises(UserError, match=rf"{said} .*own in .*own cannot be loaded"):
        text.load(str(own))


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"The tokenizer of .* cannot be loaded"):
        text.load(str(tmp_path))


def test_another_tokenizer_is_another_tower(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "tower"
    shutil.copytree(folder, own)
    tower = text.load(str(own), progress=False)
    before = tower.digest()
    tower.tokenize(["mbwa"])
    assert tower.digest() == before == text.load(str(folder), progress=False).digest()
    tokenizer = json.loads((own / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["added_tokens"][0]["normalized"] ^= True
    (own / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    assert text.load(str(own), progress=False).digest() != before
