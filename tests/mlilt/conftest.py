"""Real towers, and small random ones of the same architectures as the large ones."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import timm
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import BertWordPieceTokenizer

from data_prep.pipeline import Prepared
from mlilt import data, search
from mlilt.config import RunConfig
from mlilt.data import Row
from mlilt.towers import text, vision
from mlilt.towers.text import TextTower
from mlilt.towers.vision import VisionTower
from mlilt.training import loop
from tests.conftest import Once

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    # More positions than words: what is taken for the word embedding must not depend on its size.
    "max_position_embeddings": 514,
}


@pytest.fixture(scope="session")
def train_rows(small_sw: Prepared) -> list[Row]:
    """The training split of the small Swahili set."""
    return data.read_rows(small_sw.folder, "train")


@pytest.fixture(scope="session")
def texts(train_rows: list[Row]) -> list[str]:
    """Captions and keywords of the training split."""
    return sorted({text for row in train_rows for text in (*row.captions, *row.keywords)})


@pytest.fixture(scope="session")
def xlmr_folder(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """XLM-R in small: random weights, and a SentencePiece model in XLM-R's order of pieces."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=out, vocab_size=300, character_coverage=1.0, minloglevel=2
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    pieces = [(model.id_to_piece(i), model.get_score(i)) for i in range(3, model.get_piece_size())]
    specials = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    vocabulary = [*specials, *pieces, ("<mask>", 0.0)]
    folder = tmp_path_factory.mktemp("towers") / "xlm-r"
    transformers.XLMRobertaTokenizer(vocab=vocabulary).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.XLMRobertaConfig(vocab_size=len(vocabulary), type_vocab_size=1, **SMALL)
    transformers.XLMRobertaModel(config).save_pretrained(folder)
    (folder / "sentencepiece.bpe.model").write_bytes(out.getvalue())
    return folder


@pytest.fixture(scope="session")
def mbert_folder(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Multilingual BERT in small: random weights, a cased WordPiece vocabulary, saved with its pretraining heads."""
    words = BertWordPieceTokenizer(lowercase=False)
    words.train_from_iterator(texts, vocab_size=400, min_frequency=1, show_progress=False)
    folder = tmp_path_factory.mktemp("towers") / "mbert"
    vocabulary = words.get_vocab()
    transformers.BertTokenizer(vocab=vocabulary, do_lower_case=False).save_pretrained(folder)
    torch.manual_seed(1)
    config = transformers.BertConfig(vocab_size=len(vocabulary), **SMALL)
    transformers.BertForPreTraining(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_eyes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names of vision towers so small that they train in a test: timm's own test models with random weights."""
    names = {}
    for kind, architecture in (("vit", "test_vit"), ("cnn", "test_efficientnet")):
        torch.manual_seed(2)
        file = tmp_path_factory.mktemp("eyes") / f"{kind}.safetensors"
        save_file(timm.create_model(architecture, num_classes=10).state_dict(), file)
        names[kind] = f"{architecture}={file}"
    return names


@pytest.fixture(scope="session")
def e5() -> TextTower:
    """The default text tower with its real weights. To be read only."""
    return text.load(progress=False)


@pytest.fixture(scope="session")
def eyes() -> VisionTower:
    """The default vision tower with its real weights. To be read only."""
    return vision.load(progress=False)


@pytest.fixture(scope="session")
def settings(small_sw: Prepared) -> Callable[..., RunConfig]:
    """Makes the settings of a run on the small Swahili set: 16 captions a batch, two epochs, float32."""

    def make(**changes: Any) -> RunConfig:
        base = {
            "lang": "sw",
            "data": str(small_sw.folder),
            "epochs": 2,
            "batch_size": 16,
            "precision": "fp32",
            "dim": 64,
        }
        return RunConfig(**{**base, **changes})

    return make


@pytest.fixture(scope="session")
def real(settings: Callable[..., RunConfig], once: Once) -> Path:
    """The folder of a run of the default towers, precision and strategy. To be read only."""
    return once("real", lambda folder: loop.train(settings(precision="auto"), out=folder, progress=False))


@pytest.fixture(scope="session")
def of_data(real: Path, small_sw: Prepared, once: Once) -> Path:
    """An index of the small Swahili set's test split. To be read only."""
    return once("indexed", lambda folder: search.build(real, small_sw.folder, folder, ["test"], progress=False))


@pytest.fixture
def tiny(xlmr_folder: Path, mbert_folder: Path) -> Iterator[dict[str, str]]:
    """Names of the small random text towers. One thread: so little work is only slowed down by sharing it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield {"xlm-r": str(xlmr_folder), "mbert": str(mbert_folder)}
    torch.set_num_threads(threads)
