"""What there is: languages and what is prepared of them, sources and the files they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data_prep import categories, contact_sheet, pipeline, registry, shards, sources
from data_prep.carriers import Resource
from data_prep.errors import UserError
from data_prep.languages import Language, load_language, load_languages
from data_prep.records import DropLog
from data_prep.sources._base import Source
from data_prep.steps.split import SPLITS

State = Literal["prepared", "cached", "not fetched", "pointed to"]


@dataclass(frozen=True, slots=True)
class Held:
    """What there is of a language in one source.

    Attributes:
        source: its name.
        locale: the source's code of the language.
        state: prepared: in the data set. cached: the source's files are on this machine. not fetched: they are not.
            pointed to: it reads files that the user brings.
        pairs: pictures with captions, where prepared or cached.
    """

    source: str
    locale: str
    state: State
    pairs: int | None


def languages(data: Path) -> list[dict[str, Any]]:
    """One entry for each language file, by code.

    Args:
        data: the folder below which data sets are looked for, by code.

    Returns:
        The file's content, with `pictures`: captioned pictures by source if the data set is prepared, else None.
    """
    return [
        {**language.model_dump(mode="json"), "pictures": prepared_pictures(data / language.code)}
        for language in load_languages()
    ]


def prepared_pictures(folder: Path) -> dict[str, int] | None:
    """Numbers of captioned pictures of a prepared data set by source; None if there is none that can be read."""
    found = _prepared(folder, "source")
    if found is None:
        return None
    return dict(sorted((entry["values"], entry["counts"]) for entry in found.value_counts().to_pylist()))


def fetched() -> list[str]:
    """Names of the sources whose files carriers bring, so that they need no place to be pointed to."""
    return [name for name in registry.names(sources) if pipeline.load_source(name).about.resources]


def held(language: Language, data: Path) -> list[Held]:
    """What there is of a language, for each source that its file names.

    Args:
        language: which one.
        data: the folder below which data sets are looked for, by code.
    """
    prepared = prepared_pictures(data / language.code) or {}
    found = []
    for name, locale in language.sources.items():
        source = pipeline.load_source(name)
        state: State = "not fetched"
        pairs = None
        if name in prepared:
            state, pairs = "prepared", prepared[name]
        elif not source.about.resources:
            state = "pointed to"
        elif _is_cached(source):
            state, pairs = "cached", sum(1 for _ in cached_captions(source, locale))
        found.append(Held(name, locale, state, pairs))
    return found


def captions(language: Language, data: Path) -> list[str]:
    """Different captions of a language, sorted: its prepared data set's, else those of the sources on this machine."""
    prepared = _prepared(data / language.code, "captions")
    if prepared is not None:
        return sorted({text.as_py() for texts in prepared for text in texts})
    loaded = ((pipeline.load_source(name), locale) for name, locale in language.sources.items())
    return sorted(
        {
            text
            for source, locale in loaded
            if source.about.resources and _is_cached(source)
            for texts in cached_captions(source, locale)
            for text in texts
        }
    )


def cached_captions(source: Source, locale: str) -> Iterator[tuple[str, ...]]:
    """The captions of each captioned picture of a source whose files carriers have brought."""
    files = {resource.name: resource.folder for resource in source.about.resources}
    return (example.captions for example in source.examples(locale, files, DropLog()) if example.captions)


def cached_concepts(source: Source, locale: str) -> Iterator[tuple[str, bool]]:
    """Each captioned picture's concept in such a source, and whether its caption is the same as in English."""
    files = {resource.name: resource.folder for resource in source.about.resources}
    for example in source.examples(locale, files, DropLog()):
        if example.captions:
            english = {text.casefold() for text in example.captions_en}
            yield example.concept, example.captions[0].casefold() in english


def resources() -> dict[str, list[Resource]]:
    """What each source needs, by its name, the fonts of the contact sheet, and the names of categories."""
    found = {name: list(pipeline.load_source(name).about.resources) for name in fetched()}
    return {**found, "contact sheet": [contact_sheet.FONTS], "category names": [categories.LABELS]}


def _is_cached(source: Source) -> bool:
    return all(resource.is_cached() for resource in source.about.resources)


def _prepared(folder: Path, column: str) -> Any:
    """A column of all splits of a prepared data set, as Arrow has it; None if there is none that can be read."""
    import pyarrow as pa

    try:
        rows = sum(pipeline.read_manifest(folder)["pictures"].values())
        files = [path for split in SPLITS for path in pipeline.split_files(folder, split)]
        parts = [chunk for path in files for chunk in shards.read(path, [column])[column].chunks]
        found = pa.chunked_array(parts)
    except (UserError, OSError, ValueError):
        return None
    # A file of it may be gone.
    return found if len(found) == rows else None


def known_sources() -> list[dict[str, Any]]:
    """One entry for each source, by name: what `About` says of it, and `languages`, codes of the files that name it."""
    found = []
    known = load_languages()
    for name in registry.names(sources):
        about = pipeline.load_source(name).about
        pointed = about.pointed
        found.append(
            {
                "name": name,
                "title": about.title,
                "kind": "fetched" if pointed is None else "published" if about.homepage else "own",
                "homepage": about.homepage,
                "licences": list(about.licences),
                "citation": about.citation,
                "pictures": about.pictures,
                "layout": pointed.layout if pointed else "",
                "hub": f"{pointed.hub.repo}@{pointed.hub.revision}" if pointed and pointed.hub else "",
                "languages": [language.code for language in known if name in language.sources],
                "locales": list(about.locales),
            }
        )
    return found


def steps(lang: str | None = None) -> list[dict[str, Any]]:
    """All steps in their order, each with its options.

    Args:
        lang: the language whose file says which are used and how; None: as they are by default.

    Returns:
        Of each step its `name`, whether it is `used`, its `summary`, and `options`: `name`, `value`, `about`.
    """
    from dataclasses import fields

    from data_prep.steps import _spec

    settings = pipeline.steps_of(load_language(lang) if lang else None)
    return [
        {
            "name": name,
            "used": name in settings,
            "summary": _spec.summary(name),
            "options": [
                {
                    "name": f.name,
                    "value": settings.get(name, {}).get(f.name, f.default),
                    "about": f.metadata.get("about", ""),
                }
                for f in fields(_spec.kind(name))
            ],
        }
        for name in pipeline.ORDER
    ]
