"""The default text tower: its file format against scalar code, and its real weights by what they know."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from data_prep.errors import UserError
from mlilt.towers.carried import e5_small
from mlilt.towers.carried.e5_small import Shape, build, dequantize, read_q4
from mlilt.towers.text import TextTower

SHAPE = Shape(hidden=32, layers=1, heads=2, feed_forward=64, vocabulary=5, positions=6, types=2)


def decoded_by_hand(raw: bytes) -> list[float]:
    """Q4_0 by its definition, a weight at a time."""
    values = []
    for start in range(0, len(raw), 18):
        (scale,) = struct.unpack("<e", raw[start : start + 2])
        packed = raw[start + 2 : start + 18]
        for i in range(32):
            byte = packed[i % 16]
            nibble = byte & 15 if i < 16 else byte >> 4
            values.append((nibble - 8) * scale)
    return values


def tensors(rng: np.random.Generator) -> dict[str, tuple[bytes, int]]:
    """A miniature of the real file's tensors, as (bytes, count of numbers)."""

    def quantized(count: int) -> tuple[bytes, int]:
        blocks = [struct.pack("<e", rng.normal(0, 0.1)) + rng.bytes(16) for _ in range(count // 32)]
        return b"".join(blocks), count

    def plain(count: int) -> tuple[bytes, int]:
        return rng.normal(size=count).astype("<f4").tobytes(), count

    h, f = SHAPE.hidden, SHAPE.feed_forward
    made = {
        "emb.word": quantized(SHAPE.vocabulary * h),
        "emb.pos": plain(SHAPE.positions * h),
        "emb.type": plain(SHAPE.types * h),
        "emb.ln.w": plain(h),
        "emb.ln.b": plain(h),
    }
    for short, (out, into) in {"q": (h, h), "k": (h, h), "v": (h, h), "ao": (h, h), "fi": (f, h), "fo": (h, f)}.items():
        made[f"l0.{short}.w"] = quantized(out * into)
        made[f"l0.{short}.b"] = plain(out)
    for short in ("aln", "oln"):
        made |= {f"l0.{short}.w": plain(h), f"l0.{short}.b": plain(h)}
    return made


def file_of(contents: dict[str, tuple[bytes, int]], magic: bytes = b"E5S1", block: int = 32) -> bytes:
    """The E5S1 format, with a tokenizer section of three pieces to be skipped."""
    head = magic + struct.pack("<I7ifi", 1, *SHAPE, 1e-12, block)
    head += (
        struct.pack("<5iQ", 3, 0, 2, 1, 3, 7)
        + struct.pack("<4I", 0, 2, 4, 7)
        + struct.pack("<3f", 0, 0, 0)
        + b"abcdefg"
    )
    head += struct.pack("<iI", 1, 4) + b"more"
    head += struct.pack("<i", len(contents))
    size = len(head) + sum(2 + len(name) + 21 for name in contents)
    table, body = b"", b""
    for name, (data, count) in contents.items():
        table += struct.pack("<H", len(name)) + name.encode()
        table += struct.pack("<BIQQ", 0 if len(data) == count * 4 else 2, count, size + len(body), len(data))
        body += data
    return head + table + body


CONTENTS = tensors(np.random.default_rng(0))
FILE = file_of(CONTENTS)


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=3), st.floats(-2, 2, width=16))
def test_blocks_decode_as_their_definition_says(packed: list[bytes], scale: float) -> None:
    raw = b"".join(struct.pack("<e", scale) + part for part in packed)
    found = dequantize(np.frombuffer(raw, np.uint8))
    assert found.dtype == np.float32
    assert found.tolist() == decoded_by_hand(raw)


def test_a_file_is_read_past_its_tokenizer_with_every_tensor_in_its_place() -> None:
    shape, epsilon, found = read_q4(FILE)
    assert shape == SHAPE
    assert epsilon == pytest.approx(1e-12)
    assert found.keys() == CONTENTS.keys()
    for name, (data, count) in CONTENTS.items():
        expected = np.frombuffer(data, "<f4").tolist() if len(data) == count * 4 else decoded_by_hand(data)
        assert found[name].tolist() == expected


@given(st.integers(0, len(FILE) - 1))
def test_a_file_cut_anywhere_is_an_error(keep: int) -> None:
    with pytest.raises(UserError, match="e5-small weights cannot be read"):
        read_q4(FILE[:keep])


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (file_of(CONTENTS, magic=b"GGUF"), "does not start with E5S1"),
        (file_of(CONTENTS, block=64), "its blocks hold 64 weights, not 32"),
    ],
)
def test_another_format_is_named(file: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_q4(file)


def test_the_folder_built_is_loaded_by_transformers_with_the_files_weights(tmp_path: Path) -> None:
    weights, tokenizer, folder = (tmp_path / name for name in ("weights", "tokenizer", "model"))
    for path in (weights, tokenizer, folder):
        path.mkdir()
    (weights / "e5-small-q4.bin").write_bytes(FILE)
    vocabulary = {token: n for n, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])}
    Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>")).save(str(tokenizer / "tokenizer.json"))
    names = [resource.name for resource in e5_small.RESOURCES]
    build(dict(zip(names, (weights, tokenizer), strict=True)), folder)
    model = transformers.AutoModel.from_pretrained(folder, add_pooling_layer=False)
    state = model.state_dict()
    # Names of transformers' BERT, spelt out.
    for short, long, shape in [
        ("emb.word", "embeddings.word_embeddings.weight", (5, 32)),
        ("emb.pos", "embeddings.position_embeddings.weight", (6, 32)),
        ("l0.k.w", "encoder.layer.0.attention.self.key.weight", (32, 32)),
        ("l0.fi.w", "encoder.layer.0.intermediate.dense.weight", (64, 32)),
        ("l0.fo.w", "encoder.layer.0.output.dense.weight", (32, 64)),
        ("l0.aln.w", "encoder.layer.0.attention.output.LayerNorm.weight", (32,)),
        ("l0.oln.b", "encoder.layer.0.output.LayerNorm.bias", (32,)),
    ]:
        data, count = CONTENTS[short]
        plain = np.frombuffer(data, "<f4") if len(data) == count * 4 else np.array(decoded_by_hand(data), np.float32)
        assert np.array_equal(state[long].numpy(), plain.reshape(shape))
    assert model.config.pad_token_id == 1
    assert transformers.AutoTokenizer.from_pretrained(folder).pad_token_id == 1


@pytest.fixture(scope="module")
def similarity(e5: TextTower) -> Any:
    def cosine(one: str, other: str) -> float:
        with torch.inference_mode():
            vectors = e5(e5.tokenize([f"query: {one}", f"query: {other}"]))
        return float(torch.nn.functional.cosine_similarity(vectors[0], vectors[1], dim=0))

    return cosine


def test_the_real_tower_has_the_published_shape(e5: TextTower) -> None:
    encoder: Any = e5.encoder
    assert (e5.width, len(encoder.encoder.layer), encoder.config.vocab_size) == (384, 12, 250_037)
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(118e6, rel=0.01)
    assert len(e5.tokenizer) <= 250_037


def test_the_real_tower_knows_that_two_languages_say_the_same(similarity: Any) -> None:
    pairs = [("mbwa mkubwa", "a big dog"), ("samaki", "fish"), ("nyumba nyeupe", "a white house")]
    assert similarity(*pairs[0]) > 0.9
    for swahili, english in pairs:
        others = [other for _, other in pairs if other != english]
        assert similarity(swahili, english) > max(similarity(swahili, other) for other in others)


def test_the_real_weights_are_whole_steps_of_their_blocks(e5: TextTower) -> None:
    """Every 32 weights of a row are one scale times -8 to 7: anything read at a wrong place is not."""
    encoder: Any = e5.encoder
    for weight in (encoder.embeddings.word_embeddings.weight[:500], encoder.encoder.layer[11].output.dense.weight):
        blocks = weight.reshape(-1, 32).double()
        steps = blocks / (blocks.gather(1, blocks.abs().argmax(1, keepdim=True)) / -8)
        assert (steps - steps.round()).abs().max() < 1e-5
        assert set(steps.round().unique().int().tolist()) <= set(range(-8, 8))
