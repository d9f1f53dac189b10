"""`mlilt strategies`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlilt.cli import _options as options

if TYPE_CHECKING:
    from rich.table import Table

    from mlilt.strategies import Option
    from mlilt.strategies._survey import Count, Survey

HELP = "List the strategies and presets, with what each would train in two towers; loads no weights."
EXAMPLES = """Examples:

  mlilt strategies

  mlilt strategies --text xlm-r-base --vision vit-base

  mlilt strategies --json | jq '.presets[] | {name, trained, share}'"""


def command(
    text: options.Text = None,
    vision: options.Vision = None,
    dim: Annotated[int, typer.Option("--dim", help="Size of the shared space.", min=2)] = 256,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    from mlilt.strategies._survey import survey

    found = survey(text, vision, dim, offline)
    if json:
        import json as writer
        from dataclasses import asdict

        print(writer.dumps(asdict(found), ensure_ascii=False, indent=1))
        return
    from mlilt.cli._tables import out

    console = out()
    console.print(_strategies(found))
    console.print(_presets(found))
    console.print(
        "Counts are of trained parameters; shares are of the tower and, of presets, of all (both towers, projections "
        "and temperature), what a strategy adds included. Strategies compose: layernorm+adapter-deep. Options: "
        "lora:rank=16,alpha=32. A preset sets both towers. More: docs/strategies.md."
    )


def _strategies(found: Survey) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Strategies", title_justify="left")
    table.add_column("name")
    table.add_column("what trains")
    for tower in (found.text, found.vision):
        table.add_column(f"in {escape(tower)}", justify="right")
    for entry in found.strategies:
        about = "\n".join([entry.summary, *map(_option, entry.options)])
        table.add_row(entry.name, escape(about), _cell(entry.text), _cell(entry.vision))
    return table


def _presets(found: Survey) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"Presets, for a shared space of {found.dim}", title_justify="left")
    table.add_column("name")
    table.add_column("text tower, vision tower")
    for heading in (f"in {found.text}", f"in {found.vision}", "projections", "temperature", "all", "share"):
        table.add_column(escape(heading), justify="right")
    for entry in found.presets:
        table.add_row(
            entry.name,
            f"{entry.text_strategy},\n{entry.vision_strategy}",
            _cell(entry.text),
            _cell(entry.vision),
            f"{entry.projections:,}",
            f"{entry.temperature:,}",
            f"{entry.trained:,}",
            f"{100 * entry.share:.2f} %",
        )
    return table


def _option(option: Option) -> str:
    return f"{option.name}={option.default}: {option.about}"


def _cell(count: Count) -> str:
    return "nothing to train" if count.remark else f"{count.trained:,} ({100 * count.share:.2f} %)"
