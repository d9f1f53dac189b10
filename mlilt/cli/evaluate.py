"""`mlilt evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Put finished runs to tests beyond their own test split: other languages, zero-shot, what the towers still know."
EXAMPLES = """Examples:

  mlilt evaluate runs/sw-layernorm-s0                                 in its own language

  mlilt evaluate runs/sw-layernorm-s0 --lang am --lang en             and in languages that it was not trained on

  mlilt evaluate runs/sw-*-s0 --lang en --test bitext --json          what the text towers know, for programs"""


_NUMBERS = ("items", "% [95 % interval]", "chance", "before training", "change")
_LEFT_OUT = ("items", "before training", "note")


def command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.", metavar="RUN...", show_default=False)],
    lang: Annotated[
        list[str] | None,
        typer.Option("--lang", "-l", help="Ask in this language too (repeatable); its data must be prepared."),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(
            "--test",
            help="Only this test (repeatable): retrieval, zero-shot, bitext, neighbours, calibration, imagenet. "
            "(default: all that the data allows)",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="What holds the data sets of other languages. (default: data)")
    ] = None,
    imagenet: Annotated[
        Path | None,
        typer.Option("--imagenet", help="Folder with Babel-ImageNet's names and templates, for the test imagenet."),
    ] = None,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    from mlilt import assessment, record

    # What is wrong with one of them should be told before minutes with another.
    records = [record.read(folder) for folder in runs]
    asked = (lang or (), data, test or (), offline)
    reports = []
    for folder, about in zip(runs, records, strict=True):
        found = assessment.assess(folder, *asked, imagenet=imagenet)
        was = assessment.before(about, *asked)
        if json:
            reports.append({"run": str(folder), "name": about.name, "tests": assessment.report(found, was)})
            continue
        from mlilt.comparison import words

        languages = ", ".join(words.language_name(code) for code in about.config.languages)
        _show(f"{languages}, {about.config.method} ({folder})", assessment.HEADER, assessment.lines(found, was))
        for name, needs in assessment.unasked(test or (), found).items():
            print(f"Not asked: {name}, which needs {needs}.", file=sys.stderr)
    if json:
        import json as writer

        print(writer.dumps(reports, indent=1, ensure_ascii=False))


def _show(title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from mlilt.cli import _tables

    console = _tables.out()
    table = Table(title=escape(title), title_justify="left")
    # A narrow terminal leaves out what can be told from the rest.
    shown = [n for n, name in enumerate(header) if console.width >= _tables.WIDE or name not in _LEFT_OUT]
    for place in shown:
        table.add_column(header[place], justify="right" if header[place] in _NUMBERS else "left", overflow="fold")
    for line in lines:
        table.add_row(*(escape(line[place]) for place in shown))
    console.print(table)
