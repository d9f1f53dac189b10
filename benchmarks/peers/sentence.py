"""sentence-transformers' trainer: text and pictures by routes of their own, in-batch negatives both ways."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import _trainer, _work
from benchmarks.peers._work import Work

STRATEGIES = ("full",)


def command(work: Work, epochs: int, strategy: str, tuned: bool, out: Path) -> list[str]:
    """It pads to the longest of a batch as it comes; tuned, processes decode."""
    assert strategy in STRATEGIES
    return _trainer.command(__name__, work, epochs, tuned, out)


def main() -> None:
    """Trains."""
    import timm
    import torch
    from datasets import Dataset
    from PIL import Image
    from safetensors.torch import load_file
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.base.modules import Dense, InputModule, Normalize, Router, Transformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import Pooling

    pass_ = _trainer.asked()
    work = pass_.work

    class Eyes(InputModule):  # type: ignore[misc]
        """A timm model as the first module of the pictures' route."""

        def __init__(self) -> None:
            super().__init__()
            self.model = timm.create_model(_work.ARCHITECTURE, num_classes=0)
            self.model.load_state_dict(load_file(work.trunk))
            self.model.requires_grad_(False)
            config = timm.data.resolve_data_config({}, model=self.model)
            self._transform = timm.data.create_transform(**config)

        @property
        def modalities(self) -> list[Any]:
            return ["image"]

        def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Any]:
            opened = (Image.open(picture) if isinstance(picture, str) else picture for picture in inputs)
            return {"pixel_values": torch.stack([self._transform(picture.convert("RGB")) for picture in opened])}

        def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
            features["sentence_embedding"] = self.model(features["pixel_values"])
            return features

        def save(self, *_: Any, **__: Any) -> None:
            raise NotImplementedError

    torch.manual_seed(0)
    language = Transformer(work.towers)
    eyes = Eyes()
    width, seen = language.get_embedding_dimension(), eyes.model.num_features
    linear: dict[str, Any] = {"bias": False, "activation_function": torch.nn.Identity()}
    router = Router(
        {
            "text": [language, Pooling(width), Dense(width, _work.DIM, **linear)],
            "image": [eyes, Dense(seen, _work.DIM, **linear)],
        }
    )
    model = SentenceTransformer(modules=[router, Normalize()], device="cpu")
    rows = work.rows()
    dataset = Dataset.from_dict({"text": [r["title"] for r in rows], "image": [r["filepath"] for r in rows]})
    arguments = SentenceTransformerTrainingArguments(
        **_trainer.arguments(pass_),
        router_mapping={"text": "text", "image": "image"},
    )
    both = ("query_to_doc", "doc_to_query")
    scale = 1 / _work.TEMPERATURE
    loss = MultipleNegativesRankingLoss(model, scale=scale, directions=both, partition_mode="per_direction")
    SentenceTransformerTrainer(model=model, args=arguments, train_dataset=dataset, loss=loss).train()


if __name__ == "__main__":
    main()
