"""`mlilt languages`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "List the languages that there is a file for, and what is prepared of them."
EXAMPLES = """Examples:

  mlilt languages

  mlilt languages --json | jq -r '.[].code'"""


def command(
    data: Annotated[Path, typer.Option("--data", help="Folder with the prepared data sets.")] = Path("data"),
    json: options.Json = False,
) -> None:
    from data_prep import inventory

    listed = inventory.languages(data)
    if json:
        import json as writer

        print(writer.dumps(listed, ensure_ascii=False, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in ("code", "name", "autonym", "script"):
        table.add_column(heading)
    sources = sorted({source for entry in listed for source in entry["sources"]})
    for source in sources:
        table.add_column(source, justify="right")
    for entry in listed:
        counts = [_cell(entry, source) for source in sources]
        table.add_row(entry["code"], entry["name"], entry["autonym"], entry["script"], *counts)
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"{len(listed)} languages. Numbers are captioned pictures prepared in {data}/; · is a source that has the "
        "language and is not prepared yet (`mlilt prep --lang CODE`). One file adds a language: CONTRIBUTING.md."
    )


def _cell(entry: dict[str, object], source: str) -> str:
    sources, pictures = entry["sources"], entry["pictures"]
    assert isinstance(sources, dict)
    if source not in sources:
        return ""
    return f"{pictures.get(source, 0):,}" if isinstance(pictures, dict) else "·"
