"""`mlilt languages`."""

from __future__ import annotations

import json as writer
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlilt.cli import _options as options

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HELP = "List the languages that there is a file for, show one's page (--lang), or begin a new one (new)."
EXAMPLES = """Examples:

  mlilt languages                    all, and what is prepared of them

  mlilt languages --lang sw          one: facts, data, tokenizers, relatives

  mlilt languages new mg             write a first file for Malagasy

  mlilt languages --json | jq -r '.[].code'"""

NEW_HELP = "Write a first file for a language, from what the sources hold; a person finishes it."
NEW_EXAMPLES = """Examples:

  mlilt languages new mg

  mlilt languages new mni-Mtei --out my-languages"""

# Narrower screens leave out the autonym.
_WIDE = 100


def command(
    context: typer.Context,
    lang: Annotated[
        str | None, typer.Option("--lang", "-l", help="Show this language's page.", show_default=False)
    ] = None,
    data: Annotated[Path, typer.Option("--data", help="Folder with the prepared data sets.")] = Path("data"),
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            metavar="TOWER",
            help="With --lang: text tower whose tokenizer is measured; may be given again. (default: all those that "
            "are on this machine)",
        ),
    ] = None,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    if context.invoked_subcommand:
        return
    if lang is not None:
        _page(lang, data, text or [], offline, json)
        return
    if text:
        raise typer.BadParameter("needs --lang.", param_hint="--text")
    from data_prep import inventory

    listed = inventory.languages(data)
    if json:
        print(writer.dumps(listed, ensure_ascii=False, indent=1))
        return
    console = _console()
    console.print(_list(listed, inventory.fetched(), console.width >= _WIDE))
    console.print(
        f"{len(listed)} languages. Numbers are captioned pictures prepared in {data}/; · is a source that has the "
        "language and is not prepared yet (`mlilt prep --lang CODE`). More: sources that have it and whose files you "
        "bring; `mlilt languages --lang CODE` names them. One file adds a language: `mlilt languages new CODE`."
    )


def new(
    code: Annotated[str, typer.Argument(help="The language's BCP-47 tag, such as mg, quz or mni-Mtei.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for the file. (default: the first of MLILT_LANGUAGES, else languages)"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write it even if there is a file for the language.")] = False,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    from data_prep import draft

    made = draft.write(code, folder, force, offline)
    if json:
        from dataclasses import asdict

        print(writer.dumps(asdict(made), ensure_ascii=False, default=str))
        return
    console = _console()
    named = ", ".join(f.source for f in made.found if f.enough)
    console.print(f"{made.path} is written. Sources that have the language: {named}.", soft_wrap=True, markup=False)
    console.print(f'{made.checks} lines are marked "# check:": see to them first.', markup=False)
    where = "" if made.scanned else f"MLILT_LANGUAGES={made.path.parent} "
    # Sources whose captions could be counted need no place of their files.
    counted = any(f.captions and f.enough for f in made.found)
    source = "" if counted else f" --source {next(f.source for f in made.found if f.enough)}:DIR"
    console.print(f"Next: {where}mlilt prep --lang {code}{source} --limit 50", soft_wrap=True, markup=False)


# Commands behind `mlilt languages`: function, help, examples.
SUBCOMMANDS = {"new": (new, NEW_HELP, NEW_EXAMPLES)}


def _console() -> Console:
    """As `_tables.out`, without loading what runs need: off a terminal tables keep their full width."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=240)


def _list(listed: list[dict[str, Any]], fetched: list[str], wide: bool) -> Table:
    from rich import box
    from rich.table import Table

    # Sources whose files carriers bring, then those that something is prepared of; a column for each would be too much.
    prepared = {source for entry in listed for source in entry["pictures"] or ()}
    shown = [*fetched, *sorted(prepared - set(fetched))]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("code", "name", *(["autonym"] if wide else []), "script"):
        table.add_column(heading, no_wrap=True)
    for heading in (*shown, "more"):
        table.add_column(heading, justify="right")
    for entry in listed:
        names = (entry["code"], entry["name"], *([entry["autonym"]] if wide else []), entry["script"])
        more = len(set(entry["sources"]) - set(shown))
        table.add_row(*names, *(_cell(entry, source) for source in shown), str(more) if more else "")
    return table


def _cell(entry: Mapping[str, Any], source: str) -> str:
    pictures = entry["pictures"]
    if source in (pictures or ()):
        return f"{pictures[source]:,}"
    if source not in entry["sources"]:
        return ""
    return "·" if pictures is None else "0"


def _page(lang: str, data: Path, towers: list[str], offline: bool, json: bool) -> None:
    from dataclasses import asdict

    from data_prep import inventory, relatives
    from data_prep.languages import load_language, load_languages
    from mlilt import fertility

    language = load_language(lang)
    held = inventory.held(language, data)
    captions = inventory.captions(language, data)
    near = relatives.nearest(language, load_languages())
    measured = fertility.measure_all(captions, towers, offline) if captions else []
    if json:
        page = {
            **language.model_dump(mode="json"),
            "held": [asdict(entry) for entry in held],
            "tokenizers": [
                {
                    **asdict(entry),
                    "tokens_per_word": entry.tokens_per_word if language.spaced else None,
                    "characters_per_token": entry.characters_per_token,
                    "unknown_share": entry.unknown_share,
                }
                for entry in measured
            ],
            "relatives": [asdict(entry) for entry in near],
        }
        print(writer.dumps(page, ensure_ascii=False, indent=1))
        return
    console = _console()
    console.print(_table("", "", rows=_facts(language.model_dump())))
    console.print(_table("source", "its code", "there is", "pairs", rows=map(_held, held)))
    _print_tokenizers(console, measured, language.spaced, bool(captions))
    prepared = {entry.code: inventory.prepared_pictures(data / entry.code) for entry in near}
    rows = [
        (r.code, r.name, ", ".join(r.shared), "" if r.distance is None else str(r.distance), _pairs(prepared[r.code]))
        for r in near
    ]
    console.print(_table("nearest", "name", "both", "CLDR distance", "pairs", rows=rows))
    console.print(relatives.ORDER)


def _print_tokenizers(console: Console, measured: list[Any], spaced: bool, captions: bool) -> None:
    if not measured:
        reason = "no tokenizer is on this machine" if captions else "no captions are on this machine"
        console.print(f"Tokens are not counted: {reason}. `mlilt prep --lang CODE` brings both.")
        return
    rows = [
        (
            entry.tower,
            f"{entry.tokens_per_word:.2f}" if spaced else "–",
            f"{entry.characters_per_token:.2f}",
            "not told" if entry.unknown_share is None else f"{100 * entry.unknown_share:.2f} %",
        )
        for entry in measured
    ]
    console.print(_table("text tower", "tokens a word", "characters a token", "unknown characters", rows=rows))
    words = "" if spaced else " It is written without spaces, so words are not counted."
    console.print(f"Measured on {measured[0].captions:,} different captions.{words}")


_PAIRS = {"pointed to": "you point to its files", "cached": "on this machine"}


def _held(entry: Any) -> tuple[str, ...]:
    state = _PAIRS.get(entry.state, entry.state)
    return entry.source, entry.locale, state, "" if entry.pairs is None else f"{entry.pairs:,}"


def _pairs(prepared: Mapping[str, int] | None) -> str:
    return "not prepared" if prepared is None else f"{sum(prepared.values()):,}"


def _facts(language: Mapping[str, Any]) -> list[tuple[str, str]]:
    """All of a language's file but its sources, which have a table of their own."""
    facts = []
    for key, value in language.items():
        if key == "sources":
            continue
        label = key.replace("_", "-")
        if value is None:
            facts.append((label, "not stated"))
        elif key == "pretraining":
            facts.append((label, "seen by " + ", ".join(value) if value else "seen by neither XLM-R nor mBERT"))
        elif key == "steps":
            facts.extend((step, ", ".join(f"{k} = {v}" for k, v in given.items())) for step, given in value.items())
        elif isinstance(value, list):
            facts.extend((label if place == 0 else "", str(one)) for place, one in enumerate(value))
        else:
            facts.append((label, str(value)))
    return facts


def _table(*headings: str, rows: Any) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_header=any(headings), pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading == "pairs" else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
