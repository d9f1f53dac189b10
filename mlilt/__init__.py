"""Image search and image-text models in your language.

import mlilt

mlilt.prepare("sw")
mlilt.train("sw", strategy="layernorm")
model = mlilt.load("runs/sw-layernorm-s0")
scores = model.encode_text(["mbwa mkubwa"]) @ model.encode_image(["dog.jpg"]).T
mlilt.index("runs/sw-layernorm-s0", "pictures", out="indexes/mine")
hits = mlilt.open_index("indexes/mine").search("mbwa mkubwa")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["UserError", "__version__", "compare", "index", "load", "open_index", "prepare", "train"]

# Looked up on first use: importing torch takes seconds, and `mlilt --help` needs none of it.
_WHERE = {
    "UserError": "data_prep.errors",
    "compare": "mlilt.api",
    "index": "mlilt.api",
    "load": "mlilt.model",
    "open_index": "mlilt.api",
    "prepare": "mlilt.api",
    "train": "mlilt.api",
}

if TYPE_CHECKING:
    from data_prep.errors import UserError
    from mlilt.api import compare, index, open_index, prepare, train
    from mlilt.model import load


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'mlilt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
