"""Checkpoints of a run that is not finished yet."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from data_prep.errors import UserError
from mlilt.record import CHECKPOINT


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Writes a checkpoint of tensors and plain values; killed in between, the earlier one stays.

    Raises:
        OSError: it cannot be written.
    """
    partial = folder / f"{CHECKPOINT}.part"
    with partial.open("wb") as file:
        try:
            torch.save(dict(state), file)
        except RuntimeError as error:  # how torch reports a full disk
            raise OSError(f"{partial}: {error}") from error
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / CHECKPOINT)


def read(folder: Path) -> dict[str, Any] | None:
    """The checkpoint of a folder; None if it has none.

    Raises:
        UserError: it is damaged, or cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        # torch does not look at the sums that it writes.
        with zipfile.ZipFile(path) as whole:
            if damaged := whole.testzip():
                raise ValueError(f"{damaged} is not what was written")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    except Exception as error:  # torch.load raises many kinds
        raise UserError(f"{path} is damaged: {str(error)[:200]}. Start anew with --force.") from error
    return state


def remove(folder: Path) -> None:
    """Removes the checkpoint of a run that is finished."""
    for name in (CHECKPOINT, f"{CHECKPOINT}.part"):
        (folder / name).unlink(missing_ok=True)
