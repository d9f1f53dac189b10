"""`mlilt prep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Build a language's image-caption data set from public sources."
EXAMPLES = """Examples:

  mlilt prep --lang sw                                    all sources, into data/sw

  mlilt prep --lang yo --source cldr-emoji --limit 100    a small one, for a look

  mlilt prep --lang am --out /data/am --offline           from the cache alone"""


def command(
    lang: options.Lang,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source", "-s", help="Only this source (repeatable): cldr-emoji, tuxpaint, flags. (default: all)"
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many concepts of each source.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The data set's folder. (default: data/LANG)")] = None,
    text: Annotated[
        str, typer.Option("--text", help="Text tower whose tokens the card counts; 'none' counts none.")
    ] = "e5-small",
    offline: options.Offline = False,
    force: Annotated[bool, typer.Option("--force", help="Build anew, even if the same is there already.")] = False,
    json: options.Json = False,
) -> None:
    import mlilt

    prepared = mlilt.prepare(
        lang, source or (), limit, out, offline=offline, force=force, text=None if text == "none" else text
    )
    if json:
        import json as writer
        from dataclasses import asdict

        print(writer.dumps(asdict(prepared), default=str, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(title="Left out", title_justify="left")
    table.add_column("source: reason")
    table.add_column("items", justify="right")
    for reason, count in prepared.dropped.items():
        table.add_row(escape(reason), f"{count:,}")
    if prepared.dropped:
        console.print(table)
    splits = ", ".join(f"{count:,} {split}" for split, count in prepared.pictures.items())
    sources = ", ".join(f"{count:,} of {name}" for name, count in prepared.concepts.items())
    console.print(f"Pictures: {splits}. Concepts: {sources}.", markup=False)
    verb = "was there already (--force builds it anew)" if prepared.reused else "is ready"
    console.print(
        f"{prepared.folder} {verb}; its card is {prepared.folder / 'README.md'}", soft_wrap=True, markup=False
    )
    console.print(f"Next: mlilt train --lang {lang} --strategy layernorm")
