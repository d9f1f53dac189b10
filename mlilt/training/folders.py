"""Where runs go, and what a run's folder holds already. Loads no torch."""

from __future__ import annotations

import shutil
from pathlib import Path

from data_prep.errors import UserError
from mlilt import config as configs
from mlilt import record
from mlilt.config import RunConfig
from mlilt.record import RunRecord

# What is removed first when a run is begun anew: without these two it can no longer be taken for itself.
_TELLING = (record.RECORD, record.CHECKPOINT)
_KNOWN = (*_TELLING, record.METRICS, record.WEIGHTS, record.QUERIES, record.CONFIG)
_FOLDERS = (record.ASSESSED, record.TRACKING)


def default(config: RunConfig) -> Path:
    """Where a run goes if nobody says: runs/<name>."""
    return Path("runs") / config.name


def existing(folder: Path, config: RunConfig, data_sha256: str, resume: bool, force: bool) -> RunRecord | None:
    """Looks at what a folder holds.

    Returns:
        The record of a finished run of these settings and data; None if there is something to train.

    Raises:
        UserError: the folder holds something else, or a stopped run without `resume`.
    """
    if not folder.is_dir():
        return None
    present = {p.name for p in folder.iterdir() if p.suffix != ".part"} - {".lock"}
    if present - {*_KNOWN, *_FOLDERS} and not present & {*_TELLING, record.METRICS}:
        raise UserError(f"{folder} is there already and is no run of mlilt. Choose another --out.")
    if force:
        return None
    if record.CONFIG not in present:
        if present & set(_TELLING):
            raise UserError(f"{folder} holds a run whose {record.CONFIG} is gone. Start anew with --force.")
        return None
    earlier = configs.read(folder / record.CONFIG)
    if earlier != config:
        differing = [
            f"{key} {getattr(earlier, key)!r} -> {getattr(config, key)!r}"
            for key in RunConfig.model_fields
            if getattr(earlier, key) != getattr(config, key)
        ]
        raise UserError(
            f"{folder} is a run of other settings ({', '.join(differing)}). Choose another --out, or --force."
        )
    if record.RECORD in present:
        done = record.read(folder)
        # A process killed between record and checkpoint leaves a checkpoint that nobody needs.
        (folder / record.CHECKPOINT).unlink(missing_ok=True)
        if done.data_sha256 != data_sha256:
            raise UserError(f"{folder} was trained on other data than {_places(config)} holds now. Use --force.")
        return done
    if not resume and record.CHECKPOINT in present:
        raise UserError(f"{folder} holds a run that was stopped. Go on with it by --resume, or start anew by --force.")
    return None


def clear(folder: Path) -> None:
    """Removes what an earlier run has left, for one that begins anew."""
    for name in _KNOWN:
        (folder / name).unlink(missing_ok=True)
    for name in _FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)


def _places(config: RunConfig) -> str:
    return ", ".join(str(config.data_folder(language)) for language in config.languages)
