"""Sources -> steps -> Parquet and card. The only room that knows the order."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data_prep import browse, card, contact_sheet, logs, pieces, registry, shards, sources, workers
from data_prep.errors import UserError
from data_prep.languages import Language, load_language
from data_prep.locate import Files, locate
from data_prep.pieces import Work
from data_prep.progress import bar
from data_prep.records import Drop, DropLog, Example
from data_prep.rows import Rows
from data_prep.sources._base import Source
from data_prep.steps import _spec
from data_prep.steps.split import SPLITS
from data_prep.store import Store

MANIFEST = "mlilt.json"
FORMAT = 2

# Steps that see a piece at a time: those with a process of their own, then those that any process does, before
# pictures are decoded. Last those that judge the whole: each picture's concept is settled before splits are, and only
# then is it known which look-alikes stand in different ones.
SERIAL = ("translate",)
ON_PIECES = ("normalize", "captions", "untranslated", "script", "language-id")
ON_THE_WHOLE = ("deduplicate", "repeated-captions", "split", "near-duplicates")
ORDER = (*SERIAL, *ON_PIECES, "pictures", *ON_THE_WHOLE)
# Only where the language's file or the user asks for them.
ON_REQUEST = ("translate", "language-id")
# So many rows at most, from all over a large data set, can be looked at in its page.
BROWSED = 5_000
# A data set cannot be without.
NEEDED = ("captions", "pictures", "split")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` made, or found made already.

    Attributes:
        folder: the data set; `datasets.load_dataset(str(folder))` reads it.
        language: its code.
        pictures: rows by split.
        concepts: number of different concepts by source.
        split_concepts: the same by split.
        dropped: items left out, by "source: reason".
        changed: how often what was changed.
        flagged: rows that a person should look at.
        notes: what else is worth knowing, such as how well a translator does.
        digest: SHA-256 over all rows, hex: equal digests mean equal data.
        reused: True if the data set was there already and nothing was done.
    """

    folder: Path
    language: str
    pictures: dict[str, int]
    concepts: dict[str, int]
    split_concepts: dict[str, int]
    dropped: dict[str, int]
    changed: dict[str, int]
    flagged: int
    notes: list[str]
    digest: str
    reused: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A source as asked for: its name, itself, the place pointed to, its code of the language."""

    name: str
    source: Source
    where: str | None
    locale: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One of several machines that share a folder: its number, from 1, and how many there are."""

    number: int
    count: int


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
    *,
    root: Path | str | None = None,
    columns: Mapping[str, str] | None = None,
    step: Sequence[str | tuple[str, Mapping[str, Any]]] = (),
    without: Sequence[str] = (),
    images: Path | str | None = None,
    workers: int | None = None,
    machine: Machine | None = None,
) -> Prepared | None:
    """Builds a language's image-caption data set.

    Killed at any moment, the same call goes on where it was, and comes to the same bytes.

    Args:
        lang: code of a language in languages/.
        source: names of sources, with the place of their files behind a colon where the user points to them
            ("folder:my-pictures", "xm3600:/data/xm3600"); none means all that the language's file names and that
            can be fetched.
        limit: at most so many concepts of each source, for trying things out.
        out: the data set's folder; `data/<lang>` by default. It is replaced as a whole, or not at all.
        offline: use only what the cache holds.
        force: build anew even if the folder holds the same data set already, or a damaged one.
        tokenizer: a text tower's name and a function counting tokens, for the card.
        progress: show progress bars.
        root: the place of the files of the source that needs one.
        columns: which of a table's columns are what, such as {"caption": "titre"}; for the user's own tables.
        step: steps to use, with options: NAME or NAME:key=value,key=value, or a name with a mapping.
        without: steps to leave out.
        images: folder of a store of pictures to share with other data sets; None keeps them inside the data set.
        workers: processes; as many as there are cores by default.
        machine: do this machine's share of the pieces only, and return None; when all have, call without it.

    Raises:
        UserError: unknown names, nothing to build from, a folder that holds something else, a full disk.
    """
    language = load_language(lang)
    source = [source] if isinstance(source, str) else source
    asked = _asked(language, source, root, columns or {})
    settings = steps_of(language, step, without)
    if limit is not None and limit < 1:
        raise UserError(f"--limit must be 1 or more, not {limit}.")
    if workers is not None and workers < 1:
        raise UserError(f"--workers must be 1 or more, not {workers}.")
    folder = Path(out) if out is not None else Path("data") / lang
    if Path.cwd().is_relative_to(folder.resolve()):
        raise UserError(f"{folder} is the current folder or holds it; --out needs a folder of its own.")
    run = _Run(
        folder=folder,
        language=language,
        asked=asked,
        settings=settings,
        limit=limit,
        store=Path(images).absolute() if images is not None else None,
        workers=workers,
        offline=offline,
        force=force,
        tokenizer=tokenizer,
        progress=progress,
    )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if machine is not None:
            run.share(machine)
            return None
        with _lock(folder):
            return run.whole()
    except Timeout as error:
        raise UserError(
            f"Another process is preparing {folder} right now. Wait for it, or choose another --out."
        ) from error
    except OSError as error:
        if isinstance(error, PermissionError) and not _ours(error, run):
            raise UserError(f"A file of a source could not be read: {error}.") from error
        raise UserError(
            f"{folder} could not be written: {error}. What was there before is untouched, and what is done so far is "
            "kept for the next run. Free some space or choose another --out."
        ) from error


def _asked(
    language: Language, given: Sequence[str], root: Path | str | None, columns: Mapping[str, str]
) -> list[Asked]:
    """Sources by what the user asked for, or all that the language's file names and that need no place."""
    specs = dict.fromkeys(given) or dict.fromkeys(n for n in language.sources if load_source(n).about.pointed is None)
    found = []
    pointed = []
    for spec in specs:
        name, _, where = spec.partition(":")
        source = load_source(name)
        about = source.about
        own = about.pointed is not None and not about.locales
        if not own and name not in language.sources:
            raise UserError(
                f"{language.name} ({language.code}) has no captions in the source {name}; it has: "
                f"{', '.join(language.sources)}. If that is wrong, add {name} to [sources] in "
                f"languages/{language.code}.toml."
            )
        if about.pointed is not None and not where:
            pointed.append(name)
            where = str(root) if root is not None else ""
        if columns:
            if not hasattr(source, "columns"):
                raise UserError(f"The source {name} has no columns to name; leave out --column.")
            source = replace(source, columns=dict(columns))  # type: ignore[type-var]
        found.append(Asked(name, source, where or None, language.sources.get(name, language.code)))
    if root is not None and len(pointed) != 1:
        said = f"{' and '.join(pointed)} need one each" if pointed else "none of the sources needs one"
        raise UserError(f"--root is the place of one source's files, but {said}. Write --source NAME:PLACE instead.")
    return found


def steps_of(
    language: Language | None, step: Sequence[str | tuple[str, Mapping[str, Any]]] = (), without: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Options of all steps that a data set goes through, defaults included, in their order.

    Args:
        language: its file may name steps and options of its own; None: what holds for any.
        step: what the user asks for; it goes before the language's file.
        without: steps that the user leaves out.

    Raises:
        UserError: unknown steps, options or values.
    """
    chosen: dict[str, dict[str, Any]] = {name: {} for name in ORDER if name not in ON_REQUEST}
    given = [_spec.parse(spec) if isinstance(spec, str) else spec for spec in step]
    for name, options in [*(language.steps.items() if language else ()), *given]:
        chosen.setdefault(name, {}).update(options)
    for name in without:
        _spec.kind(name)
        if name in NEEDED:
            raise UserError(f"The step {name} cannot be left out.")
        chosen.pop(name, None)
    made = {name: _spec.values(_spec.load(name, options)) for name, options in chosen.items()}
    return {name: made[name] for name in ORDER if name in made}


def split_files(folder: Path, name: str) -> list[Path]:
    """The Parquet files of a split of a prepared data set, in their order."""
    return sorted((folder / "data").glob(f"{name}-?????-of-?????.parquet"))


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
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{folder} was written in another format. Run `mlilt prep` again with --force.")
    return manifest


@dataclass(frozen=True, slots=True)
class _Run:
    """One preparation."""

    folder: Path
    language: Language
    asked: Sequence[Asked]
    settings: dict[str, dict[str, Any]]
    limit: int | None
    store: Path | None
    workers: int | None
    offline: bool
    force: bool
    tokenizer: tuple[str, card.Tokenize] | None
    progress: bool

    def whole(self) -> Prepared:
        """Does all that is not done yet."""
        _recover(self.folder)
        located = self._located()
        recipe = self._recipe([digests for _, digests in located])
        if self.folder.exists():
            if not (self.folder / MANIFEST).is_file() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise UserError(
                    f"{self.folder} is there already and is no data set of mlilt. Choose another --out, or move it."
                )
            if (self.folder / MANIFEST).is_file() and not self.force:
                manifest = read_manifest(self.folder)
                if manifest["recipe"] == recipe and _is_whole(self.folder, manifest):
                    _clear(self.folder)
                    return _result(self.folder, manifest, reused=True)
                if manifest["language"] != self.language.code:
                    raise UserError(
                        f"{self.folder} holds a data set in another language ({manifest['language']}). Choose another "
                        "--out, or replace it with --force."
                    )
        work = self._work(recipe)
        _clear(self.folder, but=work.folder)
        _check_idle(work.folder)
        self._gather(work, [files for files, _ in located])
        self._do(work)
        new = self._finish(work, recipe, [digests for _, digests in located])
        _exchange(new, self.folder)
        shutil.rmtree(work.folder, ignore_errors=True)
        return _result(self.folder, read_manifest(self.folder))

    def share(self, machine: Machine) -> None:
        """Does one machine's share of the pieces."""
        try:
            from data_prep import cluster
        except ImportError as error:
            raise UserError("Several machines need datatrove: pip install 'mlilt[cluster]'.") from error
        located = self._located()
        work = self._work(self._recipe([digests for _, digests in located]))
        if work.store:
            raise UserError("Machines share no --images: prepare without it.")
        if work.serial:
            raise UserError("Translation runs on one machine: prepare without --machine.")
        # The first machine gathers, the others wait for it.
        with _lock(self.folder, wait_s=-1):
            self._gather(work, [files for files, _ in located])
            # Taken before the folder's lock is given back: nobody clears the folder in between.
            busy = FileLock(work.folder / f"machine-{machine.number}-of-{machine.count}.lock", timeout=0)
            busy.acquire()
        try:
            cluster.run(work, machine.number, machine.count, self.workers or workers.cores())
        finally:
            busy.release()

    def _located(self) -> list[tuple[Files, Mapping[str, str]]]:
        """The files of each source, and what tells whether they changed."""
        return [locate(a.name, a.source.about, a.where, a.locale, self.offline, self.progress) for a in self.asked]

    def _work(self, recipe: str) -> Work:
        # What another version of this code began is not gone on with.
        key = hashlib.sha256(f"{recipe} {_code()}".encode()).hexdigest()[:12]
        return Work(
            folder=(self.folder.parent / f".{self.folder.name}@{key}").absolute(),
            language=self.language,
            steps=tuple((n, o) for n, o in self.settings.items() if n in ON_PIECES),
            serial=tuple((n, o) for n, o in self.settings.items() if n in SERIAL),
            pictures=self.settings["pictures"],
            store=self.store,
        )

    def _recipe(self, digests: Sequence[Mapping[str, str]]) -> str:
        """Digest of all that decides the data set's content, code aside."""
        parts = {
            "format": FORMAT,
            "language": self.language.model_dump(mode="json"),
            "sources": [
                [a.name, a.where and str(Path(a.where).absolute()), repr(getattr(a.source, "columns", None)), d]
                for a, d in zip(self.asked, digests, strict=True)
            ],
            "limit": self.limit,
            "steps": self.settings,
            "store": str(self.store) if self.store else None,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _gather(self, work: Work, files: Sequence[Files]) -> None:
        if work.pieces is not None:
            return
        log = DropLog()

        def examples() -> Iterator[Example]:
            times: Counter[str] = Counter()
            for a, found in zip(self.asked, files, strict=True):
                times[a.name] += 1
                given = a.source.examples(a.locale, found, log)
                if times[a.name] > 1 and a.source.about.pointed is not None:
                    # Pictures of two folders may have the same names.
                    given = _apart(given, a.name, times[a.name])
                yield from _limited(given, a.name, self.limit, log)

        with bar(f"Reading sources for {self.language.name}", None, unit="examples", show=self.progress) as running:
            pieces.gather(work, _counted(examples(), running), log)

    def _do(self, work: Work) -> None:
        """The steps on pieces, in as many processes as are worth it."""
        count = work.pieces
        assert count is not None
        label = self.language.name
        if work.serial:
            # They show bars of their own.
            steps = [_spec.load(name, options) for name, options in work.serial]
            for n in range(count):
                pieces.do_serial(work, n, steps)
        waiting = [n for n in range(count) if not work.file("done", n).exists()]
        if work.store:
            Store(work.store)
        cores = self.workers or workers.cores()
        # A process takes a second to start: not worth it for a thousand pictures.
        alone = cores == 1 or len(waiting) <= 4
        threads = cores if alone else 1
        with (
            workers.processes(1 if alone else min(cores, len(waiting))) as run,
            bar(f"Decoding pictures for {label}", count, unit="pieces", show=self.progress) as running,
        ):
            running.advance(count - len(waiting))
            for _ in run(pieces.do, [(work, n, threads) for n in waiting]):
                running.advance()

    def _finish(self, work: Work, recipe: str, digests: Sequence[Mapping[str, str]]) -> Path:
        """Judges the whole and writes the data set; returns its folder, not yet in its place."""
        rows, judged = pieces.rows(work), DropLog()
        for name in (n for n in (*SERIAL, *ON_THE_WHOLE) if n in self.settings):
            _spec.load(name, self.settings[name]).judge(rows, self.language, judged)
        new = work.folder / "data set"
        # What a killed run left half done is done again, its whole files aside.
        for path in new.glob("*"):
            if path.name != "data":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (new / "data").mkdir(parents=True, exist_ok=True)
        log, shown = DropLog(), _Sample()
        with (new / "drops.jsonl").open("w", encoding="utf-8", errors="backslashreplace") as file:
            for drop in _all_drops(work, judged, log):
                line = {"source": drop.source, "item": drop.item, "reason": drop.reason}
                file.write(json.dumps({**line, "caption": drop.text} if drop.text else line, ensure_ascii=False) + "\n")
                shown.add(drop)
        if not rows.kept.any():
            reasons = [f"  {s}: {r} ({n})" for (s, r), n in log.by_reason().items()]
            layouts = [
                f"{a.name} expects: {a.source.about.pointed.layout}" for a in self.asked if a.source.about.pointed
            ]
            shutil.rmtree(work.folder, ignore_errors=True)
            raise UserError("\n".join([f"Nothing is left for {self.language.name}. Left out:", *reasons, *layouts]))
        sizes = pieces.sizes(work)
        digest = self._write(work, rows, sizes, new / "data")
        examples = [rows.example(n) for n in rows.still()]
        rows.forget_pictures()
        order = {e.place: n for n, e in enumerate(contact_sheet.choose(examples))}
        (new / "contact-sheet.png").write_bytes(
            contact_sheet.draw(
                sorted(self._pictures(work, rows, sizes, sorted(order)), key=lambda e: order[e.place]),
                self.language.direction,
                offline=self.offline,
                progress=self.progress,
            )
        )
        with bar(f"Page of {self.language.name}", None, unit="pictures", show=self.progress) as running:
            browsed = [e.place for e in examples[:: -(-len(examples) // BROWSED)]]
            browse.write(
                new,
                self.language,
                _counted(self._pictures(work, rows, sizes, browsed), running),
                len(examples),
                list(pieces.dropped(work, shown.drops)),
                log.by_reason(),
            )
        abouts = {a.name: a.source.about for a in self.asked}
        (new / "README.md").write_text(
            card.render(
                self.language, abouts, examples, log, self.tokenizer, self.settings, self._way() if self.store else ""
            ),
            encoding="utf-8",
            newline="\n",
        )
        concepts = Counter(source for source, _ in {(e.source, e.concept) for e in examples})
        manifest = {
            "format": FORMAT,
            "recipe": recipe,
            "language": self.language.code,
            "sources": {a.name: dict(d) for a, d in zip(self.asked, digests, strict=True)},
            "steps": self.settings,
            "limit": self.limit,
            "images": self._way() if self.store else None,
            "pictures": {name: sum(e.split == name for e in examples) for name in SPLITS},
            "concepts": dict(sorted(concepts.items())),
            "split_concepts": {name: len({e.concept for e in examples if e.split == name}) for name in SPLITS},
            "dropped": {f"{s}: {r}": n for (s, r), n in log.by_reason().items()},
            "changed": {what: n for what, n in sorted(log.changes.items()) if n},
            "flagged": sum(bool(e.flags) for e in examples),
            "notes": log.notes,
            "digest": digest,
        }
        # Written last: a folder with a manifest is whole.
        (new / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return new

    def _write(self, work: Work, rows: Rows, sizes: pieces.Sizes, folder: Path) -> str:
        """Writes the Parquet files; returns the digest of all rows."""
        by_split = {name: [n for n in rows.still() if rows.split[n] == name] for name in SPLITS}
        files = [s for name, places in by_split.items() for s in shards.cut(name, places, sizes, rows.flags)]
        cores = self.workers or workers.cores()
        done: dict[str, str] = {}
        # One file of a split: a small data set, that is written sooner than a process starts.
        with (
            workers.processes(1 if len(files) <= len(SPLITS) else min(cores, len(files))) as run,
            bar(f"Writing {self.language.name}", len(files), unit="files", show=self.progress) as running,
        ):
            for name, digest in run(_write_shard, [(work, shard, folder) for shard in files]):
                done[name] = digest
                running.advance()
        # Notes of digests, and what killed processes left half written.
        for path in folder.glob(".*"):
            path.unlink()
        return hashlib.sha256("".join(done[shard.name] for shard in files).encode()).hexdigest()

    def _way(self) -> str:
        """Where the store lies, seen from the data set's folder: both may be moved together."""
        assert self.store is not None
        return Path(os.path.relpath(self.store, self.folder.absolute())).as_posix()

    def _pictures(self, work: Work, rows: Rows, sizes: pieces.Sizes, places: Sequence[int]) -> Iterator[Example]:
        """Rows with their pictures, in the order of their places."""
        for shard in shards.cut("any", places, sizes, {}):
            for piece, wanted in shard.parts:
                for example, file in pieces.read(work, piece, wanted):
                    picture = (self.store / file).read_bytes() if self.store else example.picture
                    judged = rows.example(example.place)
                    yield replace(example, picture=picture, split=judged.split, flags=judged.flags)


def _write_shard(work: Work, shard: shards.Shard, folder: Path) -> tuple[str, str]:
    return shard.name, shards.write(work, shard, folder)


def _ours(error: OSError, run: _Run) -> bool:
    """True if an error is about what a preparation writes."""
    places = [run.folder.absolute().parent, *([run.store] if run.store else [])]
    return error.filename is None or any(Path(os.fsdecode(error.filename)).is_relative_to(p) for p in places)


def _apart(examples: Iterator[Example], name: str, number: int) -> Iterator[Example]:
    for example in examples:
        yield replace(example, concept=f"{name}@{number}{example.concept.removeprefix(name)}")


def _counted(examples: Iterator[Example], running: Any) -> Iterator[Example]:
    for example in examples:
        running.advance()
        yield example


def _all_drops(work: Work, judged: DropLog, log: DropLog) -> Iterator[Drop]:
    """All drops of a preparation, in an order that does not depend on who did what; `log` counts them."""
    for n in range(work.pieces or 0):
        for stage in ("gathered", "serial", "done"):
            if work.log(stage, n).exists():
                yield from logs.read(work.log(stage, n), log)
    for what, count in judged.changes.items():
        log.change(what, count)
    for text in judged.notes:
        log.note(text)
    for drop in judged.take():
        log.add(drop)
        log.take()
        yield drop


class _Sample:
    """The first few drops of each reason, for a person to look at."""

    MOST = 60

    def __init__(self) -> None:
        self.drops: list[Drop] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, drop: Drop) -> None:
        self._counts[drop.source, drop.reason] += 1
        if self._counts[drop.source, drop.reason] <= self.MOST:
            self.drops.append(drop)


@cache
def _code() -> str:
    """Digest of this package's code."""
    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        total.update(path.read_bytes())
    return total.hexdigest()


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
    """Puts back what an interrupted exchange left aside. Only for the holder of the lock."""
    backup = _backup(folder)
    if not folder.exists() and backup.is_dir():
        backup.rename(folder)


def _is_whole(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """False if files of a data set, or the store of its pictures, are gone."""
    stored = manifest["images"]
    return all(split_files(folder, name) for name in SPLITS) and (not stored or (folder / stored).is_dir())


def _clear(folder: Path, but: Path | None = None) -> None:
    """Removes working folders of other settings. Only for the holder of the lock.

    Raises:
        UserError: a machine is still at work in one of them.
    """
    # "@" ends the name: with "-", preparing sw would clear away what is being written for sw-small.
    for stale in folder.parent.glob(f".{escape(folder.name)}@*"):
        if stale.absolute() != but:
            _check_idle(stale)
            shutil.rmtree(stale, ignore_errors=True)


def _check_idle(folder: Path) -> None:
    """Raises a UserError if a machine is doing its share in a working folder."""
    for path in folder.glob("machine-*.lock"):
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            raise UserError(
                f"{path.stem} is still doing its share in {folder}. Wait for it, or stop it there first."
            ) from None


def _result(folder: Path, manifest: dict[str, Any], reused: bool = False) -> Prepared:
    return Prepared(
        folder=folder,
        language=manifest["language"],
        pictures=manifest["pictures"],
        concepts=manifest["concepts"],
        split_concepts=manifest["split_concepts"],
        dropped=manifest["dropped"],
        changed=manifest["changed"],
        flagged=manifest["flagged"],
        notes=manifest["notes"],
        digest=manifest["digest"],
        reused=reused,
    )
