"""`mlilt doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Say what this machine has, and what to do about what is missing."
EXAMPLES = """Examples:

  mlilt doctor

  mlilt doctor --offline      do not try the network"""


def command(
    offline: Annotated[bool, typer.Option("--offline", help="Do not try whether carriers can be reached.")] = False,
    json: options.Json = False,
) -> None:
    from mlilt import doctor

    checks = doctor.examine(offline=offline)
    if json:
        import json as writer
        from dataclasses import asdict

        print(writer.dumps([asdict(check) for check in checks], indent=1))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(show_header=False, box=None, pad_edge=False)
        marks = {"ok": "[green]ok[/green]", "note": "[yellow]note[/yellow]", "missing": "[red]missing[/red]"}
        for check in checks:
            table.add_row(
                marks[check.state], check.what, f"{check.found}" + (f"\n→ {check.remedy}" if check.remedy else "")
            )
        Console(highlight=False).print(table)
    if any(check.state == "missing" for check in checks):
        raise typer.Exit(1)
