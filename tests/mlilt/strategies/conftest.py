"""Small random towers of every family that strategies must work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import timm
import torch
import transformers
from torch import Tensor, nn
from transformers import AutoModel

transformers.utils.logging.set_verbosity_error()
SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
TEXT: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertConfig(**SIZES),
    "xlm-r": lambda: transformers.XLMRobertaConfig(**SIZES, type_vocab_size=1),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=120, dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=40
    ),
    "deberta-v2": lambda: transformers.DebertaV2Config(
        **SIZES, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8, norm_rel_ebd="layer_norm"
    ),
    # Its layers differ in kind: full attention, then sliding windows.
    "modernbert": lambda: transformers.ModernBertConfig(**{**SIZES, "num_hidden_layers": 3}, **SPECIAL),
}
VISION: dict[str, dict[str, Any]] = {
    "test_vit": {"img_size": 64},
    # As DINOv2's and DINOv3's vision transformers: layer scale, and EVA's rotary positions and split projections.
    "test_vit2": {"img_size": 64, "init_values": 0.1},
    "eva02_tiny_patch14_224": {"img_size": 42, "embed_dim": 48, "depth": 2, "num_heads": 4},
    "swin_tiny_patch4_window7_224": {"img_size": 56, "embed_dim": 24, "depths": (1, 2), "num_heads": (2, 2)},
    "test_efficientnet": {},
    "test_resnet": {},
    "test_convnext": {},
    "test_byobnet": {},
}


@dataclass(frozen=True)
class Small:
    """One small tower: `build` makes the same each time, `vectors` is what it gives out for a fixed input."""

    name: str

    def build(self, device: str = "cpu") -> nn.Module:
        torch.manual_seed(0)
        model: Any
        if self.name in TEXT:
            model = AutoModel.from_config(TEXT[self.name]())
            if getattr(model, "pooler", None) is not None:
                model.pooler = None
        else:
            model = timm.create_model(self.name, pretrained=False, num_classes=0, **VISION[self.name])
        # Fresh biases are all 0 and norms all 1: a mistake in copying them would not show.
        with torch.no_grad():
            for tensor in (*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())):
                tensor += torch.rand(tensor.shape) * 0.04
        made: nn.Module = model.eval().to(device)
        return made

    def vectors(self, model: nn.Module) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        if self.name in TEXT:
            ids = torch.randint(3, 120, (6, 9), generator=generator)
            hidden: Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            return hidden.mean(1)
        size = VISION[self.name].get("img_size", 64)
        features: Tensor = model(torch.randn(3, 3, size, size, generator=generator))
        return features

    @property
    def is_post_norm(self) -> bool:
        return self.name in {"bert", "xlm-r", "distilbert", "deberta-v2"}


@pytest.fixture(scope="session")
def small() -> Callable[[str], Small]:
    """Small towers by name."""
    return Small


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """So little work is only slowed down by sharing it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
