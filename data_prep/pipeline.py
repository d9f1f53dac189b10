"""Sources -> steps -> Parquet and card. The only room that knows the order."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data_prep import card, contact_sheet, registry, sources
from data_prep.carriers import fetch
from data_prep.errors import UserError
from data_prep.languages import Language, load_language
from data_prep.progress import bar
from data_prep.records import DropLog, Example
from data_prep.sources._base import Source
from data_prep.steps import captions, deduplicate, normalize, pictures, split

MANIFEST = "mlilt.json"
FORMAT = 1

# The picture step comes late, so that no picture is decoded for nothing; deduplication comes again after it,
# since two files that differ may hold the same picture.
STEPS = (deduplicate, normalize, captions, pictures, deduplicate, split)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` made, or found made already.

    Attributes:
        folder: the data set; `datasets.load_dataset(str(folder))` reads it.
        language: its code.
        pictures: rows by split.
        concepts: number of different concepts by source.
        dropped: items left out, by "source: reason".
        digest: SHA-256 over all rows, hex: equal digests mean equal data.
        reused: True if the data set was there already and nothing was done.
    """

    folder: Path
    language: str
    pictures: dict[str, int]
    concepts: dict[str, int]
    dropped: dict[str, int]
    digest: str
    reused: bool = field(default=False, compare=False)


def load_source(name: str) -> Source:
    """The source with this name. Raises UnknownNameError, with the nearest names."""
    source: Source = registry.module(sources, name, "source").SOURCE
    return source


def prepare(
    lang: str,
    source: Sequence[str] = (),
    limit: int | None = None,
    out: Path | str | None = None,
    offline: bool = False,
    force: bool = False,
    tokenizer: tuple[str, card.Tokenize] | None = None,
    progress: bool = True,
) -> Prepared:
    """Builds a language's image-caption data set.

    Args:
        lang: code of a language in languages/.
        source: names of sources; none means all that the language's file names.
        limit: at most so many concepts of each source, for trying things out.
        out: the data set's folder; `data/<lang>` by default. It is replaced as a whole, or not at all.
        offline: use only what the cache holds.
        force: build anew even if the folder holds the same data set already, or a damaged one.
        tokenizer: a text tower's name and a function counting tokens, for the card.
        progress: show progress bars.

    Raises:
        UserError: unknown names, nothing to build from, a folder that holds something else, a full disk.
    """
    language = load_language(lang)
    names = tuple(dict.fromkeys(source)) or tuple(language.sources)
    loaded = {name: load_source(name) for name in names}
    for name in names:
        if name not in language.sources:
            raise UserError(
                f"{language.name} ({lang}) has no captions in the source {name}; it has: "
                f"{', '.join(language.sources)}. If that is wrong, add {name} to [sources] in languages/{lang}.toml."
            )
    if limit is not None and limit < 1:
        raise UserError(f"--limit must be 1 or more, not {limit}.")
    folder = Path(out) if out is not None else Path("data") / lang
    if Path.cwd().is_relative_to(folder.resolve()):
        raise UserError(f"{folder} is the current folder or holds it; --out needs a folder of its own.")
    recipe = _recipe(language, loaded, limit)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            return _prepare(folder, language, loaded, limit, recipe, offline, force, tokenizer, progress)
    except Timeout as error:
        raise UserError(
            f"Another process is preparing {folder} right now. Wait for it, or choose another --out."
        ) from error
    except OSError as error:
        raise UserError(
            f"{folder} could not be written: {error}. What was there before is untouched. Free some space or choose "
            "another --out."
        ) from error


def split_file(folder: Path, name: str) -> Path:
    """The Parquet file of a split of a prepared data set, as the Hub's library expects it."""
    return folder / "data" / f"{name}-00000-of-00001.parquet"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a prepared data set.

    Raises:
        UserError: the folder holds none, or one of another format.
    """
    if not folder.exists() and _backup(folder).is_dir():
        # A prep was killed while it exchanged the folders, or is just now doing so: then it holds the lock.
        try:
            with _lock(folder, wait_s=10):
                _recover(folder)
        except (Timeout, OSError):
            pass
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} holds no prepared data set. Run `mlilt prep --lang ...` first.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / MANIFEST} cannot be read: {error}. Run `mlilt prep` again with --force.") from error
    if manifest.get("format") != FORMAT:
        raise UserError(f"{folder} was written in another format. Run `mlilt prep` again with --force.")
    return manifest


def _prepare(
    folder: Path,
    language: Language,
    loaded: dict[str, Source],
    limit: int | None,
    recipe: str,
    offline: bool,
    force: bool,
    tokenizer: tuple[str, card.Tokenize] | None,
    progress: bool,
) -> Prepared:
    _recover(folder)
    if folder.exists():
        if not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} is there already and is no data set of mlilt. Choose another --out, or move it.")
        if (folder / MANIFEST).is_file() and not force:
            manifest = read_manifest(folder)
            if manifest["recipe"] == recipe:
                return _result(folder, manifest, reused=True)
    files = {
        resource.name: fetch(resource, offline=offline, progress=progress)
        for source in loaded.values()
        for resource in source.about.resources
    }
    log = DropLog()
    raw = [
        example
        for name, source in loaded.items()
        for example in _limited(source.examples(language.sources[name], files, log), name, limit, log)
    ]
    examples = raw
    for step in STEPS:
        # Only decoding takes long enough to be watched.
        watched = progress and step is pictures
        with bar(f"Decoding pictures for {language.name}", len(examples), unit="pictures", show=watched) as running:
            passed: list[Example] = []
            for example in step.apply(iter(examples), log):
                passed.append(example)
                running.advance()
            # Those left out are done too.
            running.advance(len(examples) - len(passed))
            examples = passed
    if not examples:
        reasons = "\n".join(f"  {s}: {r} ({n})" for (s, r), n in log.by_reason().items())
        raise UserError(f"Nothing is left for {language.name}. Left out:\n{reasons}")
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}@", dir=folder.parent) as temporary:
        new = Path(temporary) / "data set"
        _write(new, language, loaded, limit, recipe, examples, log, tokenizer, offline, progress)
        _exchange(new, folder)
    return _result(folder, read_manifest(folder))


def _limited(examples: Iterator[Example], name: str, limit: int | None, log: DropLog) -> Iterator[Example]:
    """All pictures of the first `limit` concepts that have a caption."""
    concepts: set[str] = set()
    for example in examples:
        if limit is not None and example.concept not in concepts:
            if len(concepts) >= limit:
                log.drop(name, example.item, "beyond --limit")
                continue
            if example.captions:
                concepts.add(example.concept)
        yield example


def _recipe(language: Language, loaded: dict[str, Source], limit: int | None) -> str:
    """Digest of all that decides the data set's content, code aside."""
    parts = {
        "format": FORMAT,
        "language": language.model_dump(mode="json"),
        "resources": {n: {r.name: r.digest for r in s.about.resources} for n, s in loaded.items()},
        "limit": limit,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _row(example: Example, language: Language) -> dict[str, Any]:
    return {
        "image": {"bytes": example.picture, "path": f"{example.image_id}.png"},
        "image_id": example.image_id,
        "captions": list(example.captions),
        "keywords": list(example.keywords),
        "captions_en": list(example.captions_en),
        "concept": example.concept,
        "source": example.source,
        "category": example.category,
        "variant": example.variant,
        "licence": example.licence,
        "attribution": example.attribution,
        "language": language.code,
    }


def _write(
    folder: Path,
    language: Language,
    loaded: dict[str, Source],
    limit: int | None,
    recipe: str,
    examples: list[Example],
    log: DropLog,
    tokenizer: tuple[str, card.Tokenize] | None,
    offline: bool,
    progress: bool,
) -> None:
    from datasets import Dataset, Features, Image, List, Value, disable_progress_bars

    text = Value("string")
    features = Features(
        {
            "image": Image(),
            "image_id": text,
            "captions": List(text),
            "keywords": List(text),
            "captions_en": List(text),
            **dict.fromkeys(("concept", "source", "category", "variant", "licence", "attribution", "language"), text),
        }
    )
    (folder / "data").mkdir(parents=True)
    disable_progress_bars()
    total = hashlib.sha256()
    for name in split.SPLITS:
        rows = [_row(e, language) for e in examples if e.split == name]
        for row in rows:
            plain = {key: value for key, value in row.items() if key != "image"}
            total.update(json.dumps([name, plain], sort_keys=True, ensure_ascii=False).encode())
        columns = {key: [row[key] for row in rows] for key in features}
        part = Dataset.from_dict(columns, features=features)
        part.to_parquet(str(split_file(folder, name)))
    with (folder / "drops.jsonl").open("w", encoding="utf-8") as file:
        for drop in log.drops:
            line = {"source": drop.source, "item": drop.item, "reason": drop.reason}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    chosen = contact_sheet.choose(examples)
    (folder / "contact-sheet.png").write_bytes(
        contact_sheet.draw(chosen, language.direction, offline=offline, progress=progress)
    )
    abouts = {name: source.about for name, source in loaded.items()}
    (folder / "README.md").write_text(
        card.render(language, abouts, examples, log, tokenizer), encoding="utf-8", newline="\n"
    )
    concepts = Counter(source for source, _ in {(e.source, e.concept) for e in examples})
    manifest = {
        "format": FORMAT,
        "recipe": recipe,
        "language": language.code,
        "sources": {n: {r.name: r.digest for r in s.about.resources} for n, s in loaded.items()},
        "limit": limit,
        "pictures": {name: sum(e.split == name for e in examples) for name in split.SPLITS},
        "concepts": dict(sorted(concepts.items())),
        "dropped": {f"{s}: {r}": n for (s, r), n in log.by_reason().items()},
        "digest": total.hexdigest(),
    }
    # Written last: a folder with a manifest is whole.
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _backup(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"


def _exchange(new: Path, folder: Path) -> None:
    """Puts `new` in the place of `folder`. Killed in between, `_recover` puts the old one back."""
    backup = _backup(folder)
    shutil.rmtree(backup, ignore_errors=True)
    if folder.exists():
        folder.rename(backup)
    new.rename(folder)
    shutil.rmtree(backup, ignore_errors=True)


def _lock(folder: Path, wait_s: float = 0) -> FileLock:
    """Whoever holds it may write the folder; raises Timeout on entering if another process does."""
    return FileLock(folder.parent / f".{folder.name}.lock", timeout=wait_s)


def _recover(folder: Path) -> None:
    """Puts back what an interrupted exchange left aside, and clears what a killed run left behind.

    Only for the holder of the lock: it would clear away what another process is writing.
    """
    backup = _backup(folder)
    if not folder.exists() and backup.is_dir():
        backup.rename(folder)
    # "@" ends the name: with "-", preparing sw would clear away what is being written for sw-small.
    for stale in folder.parent.glob(f".{escape(folder.name)}@*"):
        shutil.rmtree(stale, ignore_errors=True)


def _result(folder: Path, manifest: dict[str, Any], reused: bool = False) -> Prepared:
    return Prepared(
        folder=folder,
        language=manifest["language"],
        pictures=manifest["pictures"],
        concepts=manifest["concepts"],
        dropped=manifest["dropped"],
        digest=manifest["digest"],
        reused=reused,
    )
