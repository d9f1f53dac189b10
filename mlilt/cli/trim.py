"""`mlilt trim`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Make a smaller text tower: without the pieces of its vocabulary that a language does not use."
EXAMPLES = """Examples:

  mlilt trim --lang sw                                  e5-small for Swahili, into towers/e5-small-sw

  mlilt trim --lang sw --lang yo --text xlm-r-base      for two languages

  mlilt train --lang sw --text towers/e5-small-sw       train it"""


def command(
    lang: Annotated[
        list[str], typer.Option("--lang", "-l", help="Language code of a prepared data set; several are kept together.")
    ],
    text: options.Text = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="The prepared data set; of several languages the folder that holds theirs. (default: data/LANG)",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new tower's folder. (default: towers/TEXT-LANG)")
    ] = None,
    top: Annotated[
        int, typer.Option("--top", help="So many of the likeliest pieces stay, whether the captions use them or not.")
    ] = 5000,
    offline: options.Offline = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what this command wrote there before.")] = False,
    json: options.Json = False,
) -> None:
    from mlilt import trim
    from mlilt.towers.text import DEFAULT

    made = trim.trim(lang, text or DEFAULT, data, out, top, offline, force)
    if json:
        import json as writer
        from dataclasses import asdict

        print(writer.dumps({**asdict(made), "saved": made.saved}, default=str))
        return
    from rich.table import Table

    from mlilt.cli import _tables
    from mlilt.comparison import words

    table = Table()
    for heading, justify in (("", "left"), ("before", "right"), ("after", "right"), ("less", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    before, after = made.before, made.after
    for label, was, now, unit in (
        ("vocabulary", before.vocabulary, after.vocabulary, ""),
        ("parameters", before.parameters, after.parameters, ""),
        ("on disk", before.bytes, after.bytes, "B"),
    ):
        table.add_row(label, words.size(was, unit), words.size(now, unit), f"{100 * (1 - now / was):.1f} %")
    console = _tables.out()
    console.print(table)
    console.print(
        f"{made.folder} is ready: same pieces on {made.texts:,} captions and keywords, same vectors on a sample.",
        soft_wrap=True,
        markup=False,
    )
    languages = " ".join(f"--lang {code}" for code in made.languages)
    console.print(f"Next: mlilt train {languages} --text {made.folder}", soft_wrap=True, markup=False)
