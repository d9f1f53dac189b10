"""transformers' contrastive image-text recipe: a VisionTextDualEncoder on its Trainer, the vision model frozen.

Written after what the example does: captions padded to a fixed length, pictures decoded, resized, cropped and
normalized for each batch anew, the loss computed by the model.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import _work
from benchmarks.peers._work import Work

STRATEGIES = ("full",)
# The example's own default.
_CONTEXT = 128


def command(work: Work, epochs: int, strategy: str, tuned: bool, out: Path) -> list[str]:
    """As it comes, or with the context cut to the data and processes that decode."""
    assert strategy in STRATEGIES
    told = out / "work.json"
    work.write(told)
    return [sys.executable, "-m", __name__, str(told), str(epochs), *(["--tuned"] if tuned else [])]


def main() -> None:
    """Trains."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work")
    parser.add_argument("epochs", type=int)
    parser.add_argument("--tuned", action="store_true")
    given = parser.parse_args()
    work = Work.read(given.work)
    _train(
        work, given.epochs, work.longest if given.tuned else _CONTEXT, 2 if given.tuned else 0, Path(given.work).parent
    )


def _train(work: Work, epochs: int, context: int, workers: int, out: Path) -> None:
    import torch
    from datasets import Dataset
    from torchvision.io import ImageReadMode, read_image
    from torchvision.transforms import CenterCrop, ConvertImageDtype, InterpolationMode, Normalize, Resize
    from transformers import AutoTokenizer, BertModel, Trainer, TrainingArguments, VisionTextDualEncoderModel

    torch.manual_seed(0)
    language = BertModel.from_pretrained(work.towers)
    model = VisionTextDualEncoderModel(vision_model=_eyes(work.trunk), text_model=language)
    for parameter in model.vision_model.parameters():
        parameter.requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(work.towers)
    with Path(work.pairs).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    captions = tokenizer([row["title"] for row in rows], max_length=context, padding="max_length", truncation=True)
    transforms = torch.nn.Sequential(
        Resize([224], interpolation=InterpolationMode.BICUBIC),
        CenterCrop(224),
        ConvertImageDtype(torch.float),
        Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    )

    def show(batch: dict[str, Any]) -> dict[str, Any]:
        read = [read_image(path, mode=ImageReadMode.RGB) for path in batch["path"]]
        return {**batch, "pixel_values": [transforms(picture) for picture in read]}

    def collate(examples: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "pixel_values": torch.stack([example["pixel_values"] for example in examples]),
            "input_ids": torch.tensor([example["input_ids"] for example in examples]),
            "attention_mask": torch.tensor([example["attention_mask"] for example in examples]),
            "return_loss": True,
        }

    dataset = Dataset.from_dict(
        {
            "path": [row["filepath"] for row in rows],
            "input_ids": captions["input_ids"],
            "attention_mask": captions["attention_mask"],
        }
    )
    dataset.set_transform(show)
    arguments = TrainingArguments(
        output_dir=str(out),
        per_device_train_batch_size=_work.BATCH,
        num_train_epochs=epochs,
        learning_rate=_work.LEARNING_RATE,
        weight_decay=_work.WEIGHT_DECAY,
        warmup_steps=round(_work.WARMUP * work.steps(epochs)),
        lr_scheduler_type="cosine",
        bf16=True,
        use_cpu=True,
        dataloader_num_workers=workers,
        dataloader_drop_last=True,
        remove_unused_columns=False,
        save_strategy="no",
        report_to=[],
    )
    Trainer(model=model, args=arguments, train_dataset=dataset, data_collator=collate).train()


def _eyes(trunk: str) -> Any:
    """The timm model in transformers' wrapper."""
    from safetensors.torch import load_file
    from transformers import TimmWrapperConfig, TimmWrapperModel

    config = TimmWrapperConfig(architecture=_work.ARCHITECTURE)
    model = TimmWrapperModel(config)
    model.timm_model.load_state_dict(load_file(trunk))
    model.config.hidden_size = model.timm_model.num_features
    return model


if __name__ == "__main__":
    main()
