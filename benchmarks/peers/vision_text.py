"""transformers' contrastive image-text recipe: a VisionTextDualEncoder on its Trainer, the vision model frozen.

Written after what the example does: captions padded to a fixed length, pictures decoded, resized, cropped and
normalized for each batch anew, the loss computed by the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers import _trainer, _work
from benchmarks.peers._work import Work

STRATEGIES = ("full",)
# The example's own default.
_CONTEXT = 128


def command(work: Work, epochs: int, strategy: str, tuned: bool, out: Path) -> list[str]:
    """As it comes, or with the context cut to the data and processes that decode."""
    assert strategy in STRATEGIES
    return _trainer.command(__name__, work, epochs, tuned, out)


def main() -> None:
    """Trains."""
    import torch
    from datasets import Dataset
    from torchvision.io import ImageReadMode, read_image
    from torchvision.transforms import CenterCrop, ConvertImageDtype, InterpolationMode, Normalize, Resize
    from transformers import AutoTokenizer, BertModel, Trainer, TrainingArguments, VisionTextDualEncoderModel

    pass_ = _trainer.asked()
    work = pass_.work
    torch.manual_seed(0)
    language = BertModel.from_pretrained(work.towers)
    model = VisionTextDualEncoderModel(vision_model=_eyes(work.trunk), text_model=language)
    for parameter in model.vision_model.parameters():
        parameter.requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(work.towers)
    rows = work.rows()
    context = work.longest if pass_.tuned else _CONTEXT
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
        **_trainer.arguments(pass_),
        remove_unused_columns=False,
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
