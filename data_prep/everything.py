"""Prepares the data sets of all languages in one go, with one store of pictures between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep import card, inventory, pipeline, workers
from data_prep.errors import UserError
from data_prep.languages import Language, load_language, load_languages
from data_prep.locate import locate
from data_prep.pipeline import Prepared
from data_prep.progress import bar
from data_prep.steps.untranslated import LEFT

IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one language: its data set, or why there is none."""

    language: str
    prepared: Prepared | None
    error: str = ""


def prepare_all(
    source: Sequence[str] = (),
    out: Path | str = "data",
    *,
    step: Sequence[str | tuple[str, Mapping[str, Any]]] = (),
    without: Sequence[str] = (),
    limit: int | None = None,
    offline: bool = False,
    force: bool = False,
    processes: int | None = None,
    tokenizer: Callable[[], tuple[str, card.Tokenize] | None] | None = None,
    progress: bool = True,
) -> list[Outcome]:
    """Prepares every language that has a file and is in any of the sources, each in `out`/CODE.

    Pictures lie in `out`/images, each once. One language that fails does not stop the rest.

    Args:
        source: names of sources; none means all that can be fetched.
        out: the folder above the data sets.
        tokenizer: makes a text tower's name and a function that counts tokens, for the cards; called in each process.
        step, without, limit, offline, force, progress: as `pipeline.prepare` takes them.
        processes: each with a language at a time; as many as there are cores by default.

    Returns:
        What came of each language, by code.
    """
    if processes is not None and processes < 1:
        raise UserError(f"--workers must be 1 or more, not {processes}.")
    # What is wrong for one language is wrong for all.
    pipeline.steps_of(None, step, without)
    names = [spec.partition(":")[0] for spec in source]
    fetched = {name: pipeline.load_source(name).about for name in names or inventory.fetched()}
    for name, about in fetched.items():
        if about.pointed is not None and not about.locales:
            raise UserError(f"{name} holds your own pictures, in one language: prepare them with --lang CODE.")
    chosen = [lang for lang in load_languages() if set(fetched) & set(lang.sources)]
    # Downloads come first and once, not from every process.
    for name, about in fetched.items():
        if about.pointed is None:
            locate(name, about, None, "", offline, progress)
    calls = []
    for language in chosen:
        own = [spec for spec in source if spec.partition(":")[0] in language.sources]
        options = {"source": own, "out": Path(out) / language.code, "images": Path(out) / IMAGES, "step": step}
        more = {"without": without, "limit": limit, "offline": offline, "force": force}
        calls.append((language.code, {**options, **more}, tokenizer))
    found: dict[str, Outcome] = {}
    count = processes or workers.cores()
    with (
        workers.processes(min(count, max(1, len(calls)))) as run,
        bar("Preparing", len(calls), unit="languages", show=progress) as running,
    ):
        for outcome in run(_one, calls):
            found[outcome.language] = outcome
            running.advance(note=outcome.language)
    return [found[code] for code, *_ in calls]


def _one(code: str, options: Mapping[str, Any], tokenizer: Callable[[], Any] | None) -> Outcome:
    try:
        made = tokenizer() if tokenizer else None
        prepared = pipeline.prepare(code, workers=1, progress=False, tokenizer=made, **options)
    except UserError as error:
        return Outcome(code, None, str(error))
    return Outcome(code, prepared)


def table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown page of what was prepared: counts by language and source, and what was left out as not translated."""
    done = [(load_language(o.language), o.prepared) for o in outcomes if o.prepared is not None]
    failed = [o for o in outcomes if o.prepared is None]
    sources = sorted({name for _, made in done for name in made.concepts})
    header = ["code", "language", "script", *(f"{name} concepts" for name in sources), "pictures", "train"]
    header += ["validation", "test", "not translated", "other drops", "flagged"]
    rows = [_line(language, made, sources) for language, made in done]
    total = sum(sum(made.pictures.values()) for _, made in done)
    parts = [
        "# Languages",
        f"{len(done)} languages, {total:,} captioned pictures. Concepts are what is shown; each may have several "
        "pictures. *Not translated* are captions left out because they are still in English; *other drops* are "
        "listed with their reasons in each data set's card.",
        card.table(header, rows),
    ]
    if failed:
        parts.append("## Not prepared\n\n" + card.table(["code", "why"], [[o.language, o.error] for o in failed]))
    return "\n\n".join(parts) + "\n"


def _line(language: Language, made: Prepared, sources: Sequence[str]) -> list[object]:
    english = sum(n for why, n in made.dropped.items() if _is_untranslated(why))
    return [
        language.code,
        f"{language.name} ({language.autonym})",
        language.script,
        *(f"{made.concepts.get(name, 0):,}" for name in sources),
        f"{sum(made.pictures.values()):,}",
        *(f"{made.pictures[split]:,}" for split in ("train", "validation", "test")),
        f"{english:,}",
        f"{sum(made.dropped.values()) - english:,}",
        f"{made.flagged:,}",
    ]


def _is_untranslated(reason: str) -> bool:
    return reason.endswith(f": {LEFT}")
