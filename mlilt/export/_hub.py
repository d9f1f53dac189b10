"""How exports are used from a model hub."""

from __future__ import annotations

from pathlib import Path


def downloaded(use: str) -> str:
    """Code that loads files of the folder `FOLDER`, downloading them from the hub first."""
    begin = 'from huggingface_hub import snapshot_download\n\nfolder = snapshot_download("FOLDER")\n'
    return begin + use.replace('"FOLDER/', 'folder + "/').replace('"local-dir:FOLDER/', '"local-dir:" + folder + "/')


def moves(folder: Path, place: str) -> dict[str, bytes]:
    """`Target.named` of a target none of whose files names its place."""
    return {}
