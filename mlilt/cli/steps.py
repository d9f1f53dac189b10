"""`mlilt steps`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "List the steps that captions and pictures go through, with their options."
EXAMPLES = """Examples:

  mlilt steps

  mlilt steps --lang ar                                    as the language's file sets them

  mlilt prep --lang ar --step normalize:vowel_marks=drop   use one otherwise"""


def command(
    lang: Annotated[
        str | None, typer.Option("--lang", "-l", help="Show options as this language's file sets them.")
    ] = None,
    json: options.Json = False,
) -> None:
    from data_prep import inventory

    listed = inventory.steps(lang)
    if json:
        import json as writer

        print(writer.dumps(listed, ensure_ascii=False, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("step", no_wrap=True)
    table.add_column("used")
    table.add_column("what it does, and its options")
    for entry in listed:
        about = "\n".join(f"· {o['name']}={_text(o['value'])}: {o['about']}" for o in entry["options"])
        table.add_row(
            entry["name"],
            "yes" if entry["used"] else "no",
            entry["summary"] + (f"\n{about}" if about else ""),
            end_section=True,
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "They are applied in this order. Use one, or set its options: --step NAME:key=value,key=value; leave one out: "
        "--without NAME; for good: [steps.NAME] in the language's file.",
        markup=False,
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
