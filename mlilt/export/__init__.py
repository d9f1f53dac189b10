"""Writes a run for other libraries: a folder that each loads by its own public calls, with the same embeddings."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from data_prep.errors import UserError
from mlilt import record
from mlilt.exchange import exchanged
from mlilt.export import card, targets
from mlilt.export import parts as _parts

CARD = "README.md"
RUN = "run.json"
# Which library an export is for.
TARGET = "export.json"


def default(run: Path, to: str) -> Path:
    """Where an export goes if nobody says: exports/<run>-<target>."""
    return Path("exports") / f"{run.absolute().name}-{to.replace('_', '-')}"


def export(
    run: Path | str,
    to: str,
    out: Path | str | None = None,
    force: bool = False,
    offline: bool = False,
    progress: bool = True,
) -> Path:
    """Writes a run for another library, with a model card.

    Args:
        run: a finished run's folder.
        to: the target; `targets.names()` lists them.
        out: the folder; `exports/<run>-<target>` by default.
        force: replace an earlier export.
        offline: use only what is on this machine.
        progress: show progress of downloads.

    Returns:
        The folder.

    Raises:
        UserError: no such run or target, a package that it takes is not there, the run cannot be written so, or `out`
            is in the way.
    """
    run, target = Path(run), targets.load(to)
    about = record.read(run)
    if lacking := [name for name in target.NEEDS if importlib.util.find_spec(name) is None]:
        raise UserError(f"--to {to} needs {', '.join(lacking)}: pip install 'mlilt[export]'.")
    folder = Path(out) if out is not None else default(run, to)
    _check(folder, force)
    parts = _parts.take(run, offline, progress)
    with exchanged(folder, lambda: _check(folder, force)) as part:
        target.write(parts, part, folder)
        (part / RUN).write_text(about.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (part / TARGET).write_text(json.dumps({"target": to}) + "\n", encoding="utf-8")
        (part / CARD).write_text(card_for(about, to, target.USE, folder.as_posix()), encoding="utf-8")
    return folder


def _check(folder: Path, force: bool) -> None:
    """Raises UserError if an export must not be written there."""
    if Path.cwd().is_relative_to(folder.resolve()):
        raise UserError(f"{folder} is the current folder or holds it; --out needs a folder of its own.")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / RUN).is_file():
        raise UserError(f"{folder} is there already and is no export. Choose another --out.")
    if not force:
        raise UserError(f"{folder} holds an export already. Replace it by --force, or choose another --out.")


def read(folder: Path) -> tuple[record.RunRecord, str]:
    """An export's run and its target.

    Raises:
        UserError: no export lies there.
    """
    try:
        about = record.RunRecord.model_validate_json((folder / RUN).read_bytes())
        return about, str(json.loads((folder / TARGET).read_bytes())["target"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} is no export. Make one by `mlilt export RUN --to TARGET`.") from error


def card_for(about: record.RunRecord, to: str, use: str, place: str) -> str:
    """The model card of an export that is used by this code where it lies."""
    return card.render(about, to, use.replace("FOLDER", place).replace("TEXT", _example(about)))


def _example(about: record.RunRecord) -> str:
    """A query of the run's own."""
    found = next((each for examples in about.examples.values() for each in examples), None)
    return found.query.replace('"', "'").replace("\\", "") if found else "..."


__all__ = ["card", "default", "export", "targets"]
