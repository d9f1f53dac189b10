"""Where a source's files are: brought by carriers, at a place that the user points to, or on the Hub."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.carriers import fetch
from data_prep.errors import UserError
from data_prep.sources._base import ROOT, About, Hub, Pointed
from data_prep.sources.wds import find_shards

Files = dict[str, Path]


def locate(
    name: str, about: About, where: str | None, locale: str, offline: bool = False, progress: bool = True
) -> tuple[Files, Mapping[str, str]]:
    """A source's files, and what tells whether they changed.

    Args:
        name: the source's.
        about: what it needs.
        where: the place the user points to, if any.
        locale: the source's code of the language.
        offline: use only what is on this machine.
        progress: show progress bars.

    Returns:
        The folder with its files by each resource's name, under "root" the place pointed to; and digests by the same.

    Raises:
        UserError: there is nothing at that place, no carrier worked, or the Hub could not be reached.
    """
    files = {r.name: fetch(r, offline=offline, progress=progress) for r in about.resources}
    digests = {r.name: r.digest for r in about.resources}
    if about.pointed is None:
        if where is not None:
            raise UserError(f"The source {name} fetches its files by itself; leave out {where!r}.")
        return files, digests
    if where is None:
        if about.pointed.hub is None:
            raise UserError(f"Say where {name} is: --source {name}:{_EXAMPLES[about.pointed.kind]}.")
        files[ROOT] = _download(name, about.pointed.hub, locale, offline)
        digests[ROOT] = f"{about.pointed.hub.repo}@{about.pointed.hub.revision}"
        return files, digests
    files[ROOT] = _pointed(name, about.pointed, where, locale, offline)
    shards = about.pointed.kind == "shards"
    digests[ROOT] = _fingerprint(find_shards(files[ROOT]) if shards else [files[ROOT]])
    return files, digests


_EXAMPLES = {"folder": "FOLDER", "file": "FILE", "shards": "'shards-*.tar'", "hub": "owner/name"}


def _pointed(name: str, pointed: Pointed, where: str, locale: str, offline: bool) -> Path:
    path = Path(where).expanduser().absolute()
    if pointed.kind == "shards":
        return path
    if pointed.kind == "hub" and not path.exists():
        return _download(name, Hub(where, "main", ()), locale, offline)
    wanted = "file" if pointed.kind == "file" else "folder"
    if not (path.is_file() if wanted == "file" else path.is_dir()):
        what = "is not there" if not path.exists() else f"is no {wanted}"
        raise UserError(f"{where} {what}. The source {name} expects a {wanted}: {pointed.layout}")
    return path


def _download(name: str, hub: Hub, locale: str, offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = [pattern.format(locale=locale) for pattern in hub.patterns] or None
    try:
        found = snapshot_download(
            hub.repo,
            repo_type="dataset",
            revision=hub.revision,
            allow_patterns=patterns,
            local_files_only=offline or os.environ.get("HF_HUB_OFFLINE") == "1",
        )
    except GatedRepoError as error:
        raise UserError(
            f"{hub.repo} asks to accept its terms first: do so on its page of the Hub, then `hf auth login`. Or point "
            f"to a copy: --source {name}:FOLDER."
        ) from error
    except HFValidationError as error:
        raise UserError(
            f"{hub.repo!r} is neither a folder nor the id of a data set on the Hub (owner/name)."
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        said = str(error).strip().splitlines()
        raise UserError(
            f"{hub.repo} could not be had from the Hub ({said[0] if said else type(error).__name__}). Check the name "
            f"and the network, or point to a copy: --source {name}:FOLDER."
        ) from error
    return Path(found)


def _fingerprint(places: Sequence[Path]) -> str:
    """Digest of the names, sizes and times of files, and of all files below folders."""
    total = hashlib.sha256()
    for place in places:
        if not place.is_dir():
            _add(total, place)
        for folder, folders, names in os.walk(place):
            folders.sort()
            for name in sorted(names):
                _add(total, Path(folder, name))
    return total.hexdigest()


def _add(total: hashlib._Hash, path: Path) -> None:
    try:
        about = path.stat()
    except OSError:
        return
    total.update(json.dumps([str(path), about.st_size, about.st_mtime_ns]).encode("utf-8", "surrogatepass"))
