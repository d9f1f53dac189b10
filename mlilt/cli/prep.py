"""`mlilt prep`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlilt.cli import _options as options

if TYPE_CHECKING:
    from data_prep.pipeline import Machine, Prepared

HELP = "Build a language's image-caption data set, from public sources or your own pictures."
EXAMPLES = """Examples:

  mlilt prep --lang sw                                             all sources that can be fetched, into data/sw

  mlilt prep --lang yo --source cldr-emoji --limit 100             a small one, for a look

  mlilt prep --lang yo --source folder:my-pictures                 your own pictures

  mlilt prep --lang fr --source csv:list.csv --column caption=titre

  mlilt prep --lang sw --source xm3600 --root /data/xm3600         a published set

  mlilt prep --lang sw --step language-id --without near-duplicates

  mlilt prep --lang lg --translate nllb                            captions by machine where there are none

  mlilt prep --all --source cldr-emoji --source tuxpaint           every language, pictures shared

  mlilt prep --lang sw --source wds:'shards-*.tar' --machine 2/8   on several machines"""

# With fewer concepts in a split a person is told.
_FEW = 20
SOURCES, STEPS, WHERE = "Sources", "Steps", "Where and how"


def command(
    lang: Annotated[
        str | None, typer.Option("--lang", "-l", help="Language code; `mlilt languages` lists them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every language, into data/CODE, pictures shared.")] = False,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            "-s",
            help="Only this source (repeatable), as NAME or NAME:PLACE, such as cldr-emoji or folder:my-pictures; "
            "`mlilt sources` lists them. (default: all that can be fetched)",
            rich_help_panel=SOURCES,
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option("--root", help="Where the files of the source are, if it needs a place.", rich_help_panel=SOURCES),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", help="Which column of your table is what: caption=titre (repeatable).", rich_help_panel=SOURCES
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="At most so many concepts of each source.", rich_help_panel=SOURCES)
    ] = None,
    step: Annotated[
        list[str] | None,
        typer.Option(
            "--step",
            help="Use this step, as NAME or NAME:key=value,... (repeatable); `mlilt steps` lists them.",
            rich_help_panel=STEPS,
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Leave this step out (repeatable).", rich_help_panel=STEPS)
    ] = None,
    translate: Annotated[
        str | None,
        typer.Option(
            "--translate",
            help="Translate English captions where there are none: nllb, or a seq2seq model by hub id or folder.",
            rich_help_panel=STEPS,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The data set's folder. (default: data/LANG; with --all: data)", rich_help_panel=WHERE
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", help="Keep pictures in this folder, to share them among data sets.", rich_help_panel=WHERE
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="With --all: write the counts as Markdown.", rich_help_panel=WHERE)
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes. (default: one a core)", rich_help_panel=WHERE)
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(
            "--machine",
            help="I/N: do the share of machine I of N that see the same folders; then run once without it.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    text: Annotated[
        str,
        typer.Option(
            "--text", help="Text tower whose tokens the card counts; 'none' counts none.", rich_help_panel=WHERE
        ),
    ] = "e5-small",
    offline: options.Offline = False,
    force: Annotated[bool, typer.Option("--force", help="Build anew, even if the same is there already.")] = False,
    json: options.Json = False,
) -> None:
    import data_prep
    from data_prep.errors import UserError
    from mlilt import api

    if everything == (lang is not None):
        raise UserError("Say either --lang CODE or --all. `mlilt languages` lists the codes.")
    if table is not None and not everything:
        raise UserError("--table writes the counts of all languages: it goes with --all.")
    name = None if text == "none" else text
    chosen: list[Any] = list(step or ())
    if translate is not None:
        chosen.append(("translate", {"model": translate}))
    common: dict[str, Any] = {"step": chosen, "without": without or (), "limit": limit, "offline": offline}
    if everything:
        from data_prep import everything as every

        for option, value in (("--root", root), ("--column", column), ("--images", images), ("--machine", machine)):
            if value is not None:
                raise UserError(f"{option} goes with --lang, not with --all.")
        tokenizer = partial(api.tokenizer_of, name, offline, False)
        outcomes = every.prepare_all(
            source or (), out or "data", force=force, processes=workers, tokenizer=tokenizer, **common
        )
        _print_all(outcomes, out or Path("data"), table, json)
        return
    assert lang is not None
    prepared = data_prep.prepare(
        lang,
        source or (),
        out=out,
        force=force,
        tokenizer=api.tokenizer_of(name, offline, True),
        root=root,
        columns=_columns(column or ()),
        images=images,
        workers=workers,
        machine=_machine(machine),
        **common,
    )
    if prepared is None:
        if not json:
            print(f"Machine {machine} has done its share. When all have, run the same command without --machine.")
        return
    _print_one(lang, prepared, json)


def _columns(given: list[str] | tuple[()]) -> dict[str, str]:
    from data_prep.errors import UserError

    pairs = [text.partition("=") for text in given]
    if wrong := next((text for text, (role, sign, _) in zip(given, pairs, strict=True) if not role or not sign), None):
        raise UserError(f"--column {wrong}: expected ROLE=NAME, such as caption=titre or image=file.")
    return {role: name for role, _, name in pairs}


def _machine(given: str | None) -> Machine | None:
    from data_prep.errors import UserError
    from data_prep.pipeline import Machine

    if given is None:
        return None
    number, slash, count = given.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UserError(f"--machine {given}: expected I/N with I from 1 to N, such as 2/8.")
    return Machine(int(number), int(count))


def _print_one(lang: str, prepared: Prepared, json: bool) -> None:
    if json:
        import json as writer
        from dataclasses import asdict

        print(writer.dumps(asdict(prepared), default=str, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    for title, counts in (("Left out", prepared.dropped), ("Changed", prepared.changed)):
        table = Table(title=title, title_justify="left")
        table.add_column("source: reason" if counts is prepared.dropped else "what")
        table.add_column("items", justify="right")
        for reason, count in counts.items():
            table.add_row(escape(reason), f"{count:,}")
        if counts:
            console.print(table)
    for note in prepared.notes:
        console.print(note, markup=False, soft_wrap=True)
    splits = ", ".join(f"{count:,} {split}" for split, count in prepared.pictures.items())
    sources = ", ".join(f"{count:,} of {name}" for name, count in prepared.concepts.items())
    flagged = f" {prepared.flagged:,} pictures are flagged for a person to look at." if prepared.flagged else ""
    console.print(f"Pictures: {splits}. Concepts: {sources}.{flagged}", markup=False, soft_wrap=True)
    verb = "was there already (--force builds it anew)" if prepared.reused else "is ready"
    console.print(
        f"{prepared.folder} {verb}; its card is {prepared.folder / 'README.md'}, its pictures can be looked at in "
        f"{prepared.folder / 'browse.html'}",
        soft_wrap=True,
        markup=False,
    )
    few = [split for split in ("validation", "test") if prepared.split_concepts[split] < _FEW]
    if few:
        console.print(
            f"Few concepts in {' and '.join(few)} ({', '.join(str(prepared.split_concepts[s]) for s in few)}): what is "
            f"measured on fewer than {_FEW} says little. More pictures help, or a split of your own.",
            soft_wrap=True,
            markup=False,
        )
    if prepared.split_concepts["test"] > 1:
        usual = prepared.folder == Path("data") / lang
        where = "" if usual else f" --data {prepared.folder}"
        console.print(f"Next: mlilt train --lang {lang}{where} --strategy layernorm", soft_wrap=True, markup=False)


def _print_all(outcomes: list[Any], out: Path, table: Path | None, json: bool) -> None:
    from data_prep import everything
    from data_prep.errors import UserError

    if table is not None:
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(everything.table(outcomes), encoding="utf-8", newline="\n")
    failed = [o for o in outcomes if o.prepared is None]
    if json:
        import json as writer
        from dataclasses import asdict

        print(writer.dumps([asdict(o) for o in outcomes], default=str, ensure_ascii=False))
    else:
        pictures = sum(sum(o.prepared.pictures.values()) for o in outcomes if o.prepared)
        where = f"; counts are in {table}" if table else ""
        print(f"{len(outcomes) - len(failed)} languages, {pictures:,} captioned pictures, in {out}{where}.")
    if failed:
        lines = "\n".join(f"  {o.language}: {o.error}" for o in failed)
        raise UserError(f"{len(failed)} of {len(outcomes)} languages could not be prepared:\n{lines}")
