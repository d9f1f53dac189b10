"""Text towers: any `transformers` encoder with its tokenizer, pooled to one vector a caption."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from data_prep.errors import UnknownNameError, UserError
from mlilt.towers import carried, catalog, packing
from mlilt.towers.weights import Needed, digest, hub_folder

DEFAULT = "e5-small"
# What `mlilt trim` says of a tower that it made, in the tower's folder.
TRIMMED = "trimming.json"
# What a pass through the encoder costs beside its tokens, in tokens: measured on two cores; on a GPU starting
# kernels costs far more.
_GROUP_TOKENS = {"cpu": 64, "cuda": 8192}
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class TextTower(nn.Module):
    """A pretrained language model with its tokenizer.

    Attributes:
        encoder: the `transformers` model, whose `last_hidden_state` is pooled.
        name: how the user named it.
        width: size of the pooled vector.
        max_tokens: longer captions are cut, special tokens counted.
    """

    def __init__(self, encoder: nn.Module, tokenizer: Any, name: str, pooling: str, max_tokens: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.name = name
        self.pooling = pooling
        self.max_tokens = max_tokens
        self.width = int(cast(Any, encoder).config.hidden_size)
        self.pad_id = int(tokenizer.pad_token_id or 0)
        self.learned_buffers: tuple[str, ...] = ()
        packing.register()
        if packing.fits(encoder):
            cast(Any, encoder).embeddings.register_forward_hook(_in_precision_of_products)
        self.settle(torch.device("cpu"))

    def settle(self, device: torch.device, packed: bool = True) -> None:
        """Chooses how captions are encoded on `device`; the tower stays where it is.

        Captions are short: on a CPU plain products are quicker than fused attention, above all backwards.

        Args:
            device: where the tower will be.
            packed: on a CPU put captions into one row where the encoder can take that, instead of padding them.
        """
        plain = packing.ATTENTION if packed and packing.fits(self.encoder) else "eager"
        with contextlib.suppress(ValueError):
            cast(Any, self.encoder).set_attn_implementation(plain if device.type == "cpu" else "sdpa")

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Where a tower is unpickled its attention may not be known yet.
        packing.register()
        super().__setstate__(state)  # type: ignore[no-untyped-call]

    def tokenize(self, captions: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens, each at most `max_tokens` long, without padding."""
        if not captions:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(captions), truncation=True, max_length=self.max_tokens, return_attention_mask=False
        )["input_ids"]
        return ids

    def digest(self) -> str:
        """SHA-256 that tells whether weights and tokenizer are the same, hex. Take it before anything trains."""
        total = hashlib.sha256(digest(self.encoder).encode())
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        made = json.loads(backend.to_str()) if backend else self.tokenizer.get_vocab()
        # Set by each call, and no part of what a tokenizer is.
        total.update(json.dumps({k: v for k, v in made.items() if k not in {"truncation", "padding"}}).encode())
        return total.hexdigest()

    def pad(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Token ids -> (input_ids, attention_mask), both int64 of shape (n, longest)."""
        longest = max(map(len, ids))
        padded = [[*i, *[self.pad_id] * (longest - len(i))] for i in ids]
        mask = [[1] * len(i) + [0] * (longest - len(i)) for i in ids]
        return torch.tensor(padded), torch.tensor(mask)

    def forward(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Token ids of captions, unpadded -> pooled vectors in the same order, float32 of shape (n, width).

        Captions go through the encoder in one row, or in groups of similar length, so that little is computed for
        padding.
        """
        device = next(self.encoder.parameters()).device
        # Any other attention would not know where one caption ends.
        if cast(Any, self.encoder).config._attn_implementation == packing.ATTENTION and all(ids):
            return self._packed(packing.pack(ids, self.encoder, device))
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        groups = length_groups([len(ids[place]) for place in order], _GROUP_TOKENS[device.type])
        parts = []
        for start, end in groups:
            tokens, mask = self.pad([ids[place] for place in order[start:end]])
            if device.type == "cuda":
                tokens, mask = tokens.pin_memory(), mask.pin_memory()
            parts.append(self.pooled(tokens.to(device, non_blocking=True), mask.to(device, non_blocking=True)))
        return torch.cat(parts)[_back(order).to(device)]

    def _packed(self, row: packing.Packed) -> Tensor:
        hidden = (
            self.encoder(input_ids=row.input_ids, position_ids=row.position_ids, tiles=row.tiles)
            .last_hidden_state[0, : row.tokens]
            .float()
        )
        if self.pooling == "cls":
            return cast(Tensor, hidden[row.lengths.cumsum(0) - row.lengths])
        return torch.segment_reduce(hidden, "mean", lengths=row.lengths)

    def pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Pooled vectors of padded captions, float32 of shape (n, width).

        Args:
            input_ids: int64 of shape (n, tokens).
            attention_mask: the same shape, 1 for tokens and 0 for padding.
        """
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        if self.pooling == "cls":
            return cast(Tensor, hidden[:, 0])
        keep = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return cast(Tensor, (hidden * keep).sum(1) / keep.sum(1).clamp_min(1))


def _in_precision_of_products(module: nn.Module, given: Any, hidden: Tensor) -> Tensor:
    """Where an encoder's blocks begin, for autocast on a CPU: its norms give what they are given.

    Else all between its products would be float32, to be cast for each product, and each gradient back.
    """
    if hidden.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return hidden
    return hidden.to(torch.get_autocast_dtype("cpu"))


def _back(order: Sequence[int]) -> Tensor:
    """Where each of what was put in this order is now, int64."""
    back = torch.empty(len(order), dtype=torch.int64)
    back[torch.tensor(order, dtype=torch.int64)] = torch.arange(len(order))
    return back


def count_tokens(tokenizer: Any, captions: Sequence[str]) -> list[int]:
    """Numbers of tokens without special ones and uncut."""
    ids = tokenizer(list(captions), add_special_tokens=False, return_attention_mask=False)["input_ids"]
    return [len(i) for i in ids]


def length_groups(lengths: Sequence[int], group_tokens: int) -> list[tuple[int, int]]:
    """Cuts captions sorted by length into groups that are cheapest to encode, by dynamic programming.

    Args:
        lengths: numbers of tokens, ascending.
        group_tokens: what one more group costs, in tokens; a group else costs its size times its longest caption.

    Returns:
        (start, end) of each group, in order.
    """
    # It never pays to cut among captions of one length.
    cuts = [place for place in range(len(lengths)) if place == 0 or lengths[place] != lengths[place - 1]]
    cuts.append(len(lengths))
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(cuts)):
        longest = lengths[cuts[end] - 1]
        best.append(min((best[s][0] + group_tokens + (cuts[end] - cuts[s]) * longest, s) for s in range(end)))
    groups, end = [], len(cuts) - 1
    while end > 0:
        start = best[end][1]
        groups.append((cuts[start], cuts[end]))
        end = start
    return groups[::-1]


def load(
    name: str = DEFAULT,
    pooling: Literal["mean", "cls"] | None = None,
    offline: bool = False,
    progress: bool = True,
) -> TextTower:
    """Loads a text tower in float32, in eval mode.

    Args:
        name: an alias (mlilt/towers/catalog/text), an id on the model hub, or a local folder.
        pooling: how tokens become one vector; by default as the alias says, else the mean.
        offline: use only what is on this machine.
        progress: show progress of downloads.

    Raises:
        UserError: unknown name, weights that cannot be had or do not fit; says what to do.
    """
    alias = catalog.find("text", name)
    place = folder(name, alias, offline, progress)
    known = alias.model_dump() if alias else _base(place)
    return _from_folder(place, name, pooling or known.get("pooling", "mean"), int(known.get("max_tokens", 64)))


def _base(place: Path) -> dict[str, Any]:
    """What a tower with a trimmed vocabulary has from the one that it was made of."""
    with contextlib.suppress(OSError, ValueError):
        told = json.loads((place / TRIMMED).read_text(encoding="utf-8"))
        return told if isinstance(told, dict) else {}
    return {}


def load_tokenizer(name: str = DEFAULT, offline: bool = False, progress: bool = True) -> Any:
    """Only the tokenizer of a text tower; raises as `load`."""
    return _tokenizer(folder(name, catalog.find("text", name), offline, progress, "tokenizer"), name)


def folder(
    name: str, alias: catalog.Alias | None, offline: bool = False, progress: bool = True, needed: Needed = "model"
) -> Path:
    """Where the files of a text tower lie; raises as `load`."""
    known = catalog.names("text")
    at_hand = [n for n in known if (entry := catalog.find("text", n)) and entry.carried]
    offered = f"Without a hub there is {', '.join(f'--text {n}' for n in at_hand)}, or a local folder."
    if alias is None and Path(name).is_dir():
        return Path(name)
    if alias is not None:
        if alias.carried:
            return carried.folder(alias.carried, offline=offline, progress=progress)
        return hub_folder(alias.model, name, offered, offline, needed)
    if not _HUB_ID.fullmatch(name) or name.startswith("."):
        raise UnknownNameError("text tower", name, known, "Or give a hub id (organization/model) or a local folder.")
    return hub_folder(name, name, offered, offline, needed)


def _tokenizer(folder: Path, name: str) -> Any:
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a missing or damaged file surfaces as many kinds
        raise UserError(f"The tokenizer of {name} in {folder} cannot be loaded: {_first_line(error)}") from error


def _from_folder(folder: Path, name: str, pooling: str, max_tokens: int) -> TextTower:
    import transformers

    tokenizer = _tokenizer(folder, name)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        encoder, info = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:
        raise UserError(
            f"The weights of {name} in {folder} cannot be loaded as a transformers model with safetensors: "
            f"{_first_line(error)}"
        ) from error
    # The tower pools by itself, so a pooling head is neither needed nor trained.
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    if missing or info["mismatched_keys"]:
        raise UserError(f"The weights of {name} in {folder} lack {missing[:3] or info['mismatched_keys']}.")
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    positions = getattr(encoder.config, "max_position_embeddings", None) or max_tokens
    # RoBERTa's positions start behind the padding id, two places later.
    tower = TextTower(encoder, tokenizer, name, pooling, min(max_tokens, positions - 2))
    return tower.eval().requires_grad_(False)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
