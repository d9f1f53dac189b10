"""`mlilt sources`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mlilt.cli import _options as options

HELP = "List where captioned pictures come from, or show one source: licence, languages, how its pictures are had."
EXAMPLES = """Examples:

  mlilt sources

  mlilt sources xm3600

  mlilt sources --json | jq -r '.[] | select(.languages | index("sw")) | .name'"""

_KINDS = {
    "fetched": "Fetched by themselves",
    "published": "Published sets: --source NAME --root FOLDER, or from the Hub where it has them",
    "own": "Your own pictures: --source NAME:PLACE",
}


def command(
    name: Annotated[str | None, typer.Argument(help="Show this source.", show_default=False)] = None,
    json: options.Json = False,
) -> None:
    from data_prep import inventory
    from data_prep.errors import UnknownNameError

    listed = inventory.known_sources()
    if name is not None:
        if name not in {entry["name"] for entry in listed}:
            raise UnknownNameError("source", name, [entry["name"] for entry in listed])
        listed = [entry for entry in listed if entry["name"] == name]
    if json:
        import json as writer

        print(writer.dumps(listed, ensure_ascii=False, indent=1))
        return
    from rich.console import Console

    console = Console(highlight=False)
    if name is not None:
        _show(console, listed[0])
        return
    from rich.table import Table

    for kind, title in _KINDS.items():
        table = Table(title=title, title_justify="left")
        table.add_column("source", no_wrap=True)
        table.add_column("what it is")
        table.add_column("languages", justify="right")
        table.add_column("licences", overflow="fold")
        for entry in listed:
            if entry["kind"] == kind:
                count = str(len(entry["languages"])) if entry["locales"] or kind == "fetched" else "any"
                table.add_row(entry["name"], entry["title"], count, ", ".join(entry["licences"]))
        console.print(table)
    console.print("Languages are those with a file (`mlilt languages`). More of one: mlilt sources NAME.")


def _show(console: Any, entry: dict[str, Any]) -> None:
    lines = {
        "Homepage": entry["homepage"],
        "Pictures": entry["pictures"],
        "Layout": entry["layout"],
        "On the Hub": entry["hub"],
        "Licences": ", ".join(entry["licences"]),
        "Languages": " ".join(entry["languages"]) or "any",
        "Its own codes": " ".join(entry["locales"]),
        "Cite": entry["citation"],
    }
    console.print(f"{entry['name']}: {entry['title']}", style="bold", markup=False)
    for label, text in lines.items():
        if text:
            console.print(f"{label}: {text}", markup=False)
