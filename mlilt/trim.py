"""Trims a text tower's vocabulary for languages whose data sets are prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import UserError
from mlilt import config as configs
from mlilt import data
from mlilt.towers import text as towers
from mlilt.towers import trimming
from mlilt.towers.text import TextTower

# What a tower's folder needs of what may be in it.
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a tower is: pieces in its vocabulary, parameters, bytes on disk."""

    vocabulary: int
    parameters: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What was made.

    Attributes:
        folder: what `mlilt train --text` takes.
        languages: codes of those it was trimmed for.
        texts: captions and keywords on which it was compared with the whole tower.
        before, after: the sizes of the whole tower and of the trimmed one.
    """

    folder: Path
    languages: tuple[str, ...]
    texts: int
    before: Size
    after: Size

    @property
    def saved(self) -> float:
        """The share of bytes that is gone."""
        return 1 - self.after.bytes / self.before.bytes


def trim(
    languages: Sequence[str],
    text: str = towers.DEFAULT,
    data_folder: Path | str | None = None,
    out: Path | str | None = None,
    top: int = trimming.TOP,
    offline: bool = False,
    force: bool = False,
    progress: bool = True,
) -> Trimmed:
    """Writes a text tower with the pieces that the languages' data sets use, and a base set; checks that it is exact.

    Args:
        languages: codes, their data sets being prepared.
        text: the tower to trim: alias, hub id or folder.
        data_folder: the data set, `data/<lang>` by default; of several languages the folder that holds theirs.
        out: where to; `towers/<text>-<languages>` by default.
        top: so many of the likeliest pieces are in the base set.
        offline: use only what is on this machine.
        force: replace what an earlier call wrote.
        progress: show progress bars.

    Raises:
        UserError: a language that is not prepared or named twice, a tower that cannot be had or trimmed, or `out` in
            the way of something else. Nothing is left behind then.
    """
    if not languages or len(set(languages)) < len(languages):
        raise UserError(f"Name one language or several, each once; came: {' '.join(languages) or 'none'}.")
    trimming.check_top(top)
    folder = Path(out) if out is not None else Path("towers") / "-".join([Path(text).name, *languages])
    trimming.check_folder(folder, force)
    texts = _texts({code: configs.data_folder(data_folder, languages, code) for code in languages})
    base = towers.load(text, offline=offline, progress=progress)
    ids = trimming.kept(base.tokenizer, texts, top)
    before = _size(base, Path(base.tokenizer.name_or_path))
    trimmed = trimming.trim(base, ids)

    def verify(written: Path) -> None:
        again = towers.load(str(written), offline=True, progress=False)
        trimming.check(base, again, ids, texts, progress)

    trimming.save(trimmed, folder, base.digest(), languages, force, verify)
    return Trimmed(folder, tuple(languages), len(texts), before, _size(trimmed, folder))


def _texts(folders: dict[str, Path]) -> list[str]:
    """Captions, keywords and English captions of all splits, each once."""
    for code, folder in folders.items():
        data.manifest(folder, code)
    return data.texts(
        row for folder in folders.values() for split in data.SPLITS for row in data.read_rows(folder, split)
    )


def _size(tower: TextTower, folder: Path) -> Size:
    return Size(
        vocabulary=len(tower.tokenizer),
        parameters=sum(parameter.numel() for parameter in tower.encoder.parameters()),
        bytes=sum(path.stat().st_size for pattern in _FILES for path in folder.glob(pattern)),
    )
