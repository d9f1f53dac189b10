"""`mlilt compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlilt.cli import _options as options

if TYPE_CHECKING:
    from mlilt.comparison.grid import Failure, Placed

HELP = "Compare strategies with full-model training, and write a report; or run a named experiment."
EXAMPLES = """Examples:

  mlilt compare                                                         all runs there are

  mlilt compare --lang sw --strategy layernorm --strategy full          trains what is missing first, three seeds

  mlilt compare --lang sw -s layernorm -s full --concepts 50 --concepts 200 --ask en     data sizes; asked in English

  mlilt compare --lang sw --strategy lilt-da --strategy layernorm/bitfit --strategy clip     of both towers

  mlilt compare --lang sw+yo --strategy layernorm --strategy full       runs trained on two languages together

  mlilt compare --list                                                  the named experiments

  mlilt compare parity --dry-run                                        what one would train

  mlilt compare parity --lang sw --seeds 1 --open                       a part of it; opens the report

  mlilt compare my.toml                                                 one of your own

  mlilt compare --lang sw --json | jq '.groups[0].rows'"""

_WHAT = "What to compare"
_SETTINGS = "Settings of what is trained; of an experiment they overrule its own"
_REPORT = "Report"
_Texts = list[str] | None


def command(
    experiment: Annotated[
        str | None,
        typer.Argument(help="A named experiment, or a file of your own (FILE.toml).", show_default=False),
    ] = None,
    lang: Annotated[
        _Texts,
        typer.Option(
            "--lang",
            "-l",
            help="Only this language (repeatable); sw+yo: trained together. (default: all)",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    strategy: Annotated[
        _Texts,
        typer.Option(
            "--strategy",
            "-s",
            help="Train this where it is missing (repeatable): a strategy of the text tower, a preset, or TEXT/VISION.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", help="Runs of each strategy, with seeds 0, 1, ... (default: 3)", rich_help_panel=_WHAT),
    ] = None,
    ask: Annotated[
        _Texts,
        typer.Option(
            "--ask", help="Ask each run in this language too, after training (repeatable).", rich_help_panel=_WHAT
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="A finished run, by name or folder, whose method others are held against. (default: full training)",
            metavar="RUN",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    concepts: Annotated[
        list[int] | None,
        typer.Option(
            "--concepts", help="Train on so many concepts alone (repeatable). (default: all)", rich_help_panel=_SETTINGS
        ),
    ] = None,
    text: Annotated[
        _Texts,
        typer.Option(
            "--text", help="Text tower, as of mlilt train (repeatable). (default: e5-small)", rich_help_panel=_SETTINGS
        ),
    ] = None,
    vision: Annotated[
        _Texts,
        typer.Option(
            "--vision",
            help="Vision tower, as of mlilt train (repeatable). (default: efficientnet-lite0)",
            rich_help_panel=_SETTINGS,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="The language's data set; of several languages what holds theirs. (default: data/LANG)",
            rich_help_panel=_SETTINGS,
        ),
    ] = None,
    epochs: Annotated[int | None, options.epochs(_SETTINGS)] = None,
    min_steps: Annotated[int | None, options.min_steps(_SETTINGS)] = None,
    budget_s: Annotated[float | None, options.budget(_SETTINGS)] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", help="Captions a batch. (default: 128)", rich_help_panel=_SETTINGS),
    ] = None,
    device: Annotated[str | None, options.device(_SETTINGS)] = None,
    precision: Annotated[str | None, options.precision(_SETTINGS)] = None,
    runs: options.Runs = Path("runs"),
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            help="Runs that train at a time on a CPU, each with its share of the cores: quicker in all, and each takes "
            "longer. (default: 1)",
            min=1,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The report's folder. (default: reports, or reports/EXPERIMENT)",
            rich_help_panel=_REPORT,
        ),
    ] = None,
    form: Annotated[
        _Texts,
        typer.Option(
            "--format",
            help="Write only this (repeatable): html, md, json, csv or figures. (default: all)",
            metavar="FORMAT",
            rich_help_panel=_REPORT,
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--open", help="Open the report in the browser.", rich_help_panel=_REPORT)
    ] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the named experiments.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, and train nothing.")] = False,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    given: dict[str, Any] = {
        "data": data,
        "text": text,
        "vision": vision,
        "concepts": concepts,
        "epochs": epochs,
        "min_steps": min_steps,
        "budget_s": budget_s,
        "batch_size": batch_size,
        "device": device,
        "precision": precision,
    }
    asked: dict[str, Any] = {key: value for key, value in given.items() if value not in (None, [])}
    asked |= {"experiment": experiment, "ask": ask or ()}
    if listing:
        _list(json)
        return
    if dry_run:
        from mlilt.comparison import plan

        _show_plan(*plan(lang or (), strategy or (), seeds, runs, **asked), json)
        return
    import mlilt

    comparison = mlilt.compare(
        lang or (),
        strategy or (),
        seeds,
        runs,
        out,
        offline=offline,
        against=against,
        jobs=jobs or 1,
        formats=[*form, *(["json"] if json and "json" not in form else [])] if form else None,
        **asked,
    )
    if json:
        print((comparison.page.parent / "results.json").read_text(encoding="utf-8"), end="")
    else:
        from mlilt.cli import _tables

        _tables.show_comparison(_tables.out(), comparison)
    if show:
        _open(comparison.page)
    if comparison.failures:
        raise typer.Exit(1)


def _list(json: bool) -> None:
    from mlilt.comparison import experiment as experiments

    found = [experiments.find(name) for name in experiments.names()]
    if json:
        import json as writer

        print(
            writer.dumps(
                [each.model_dump(mode="json", exclude_none=True, exclude={"file"}) for each in found], indent=1
            )
        )
        return
    from rich.markup import escape
    from rich.table import Table

    from mlilt.cli import _tables

    table = Table(title="Experiments: `mlilt compare NAME`", title_justify="left")
    for heading in ("name", "what it is", "what is claimed"):
        table.add_column(heading, overflow="fold")
    for each in found:
        table.add_row(each.name, escape(each.title), escape(each.claim))
    _tables.out().print(table)


def _show_plan(placed: list[Placed], failures: list[Failure], json: bool) -> None:
    if json:
        import json as writer

        lines = [{"run": str(p.folder), "state": p.state, "config": p.planned.config.outcome()} for p in placed]
        failed = [{"run": failure.run, "reason": failure.reason} for failure in failures]
        print(writer.dumps({"runs": lines, "failures": failed}, indent=1, ensure_ascii=False))
        return
    from rich.markup import escape
    from rich.table import Table

    from mlilt.cli import _tables
    from mlilt.comparison import words

    console = _tables.out()
    table = Table(title="What would be trained", title_justify="left")
    for heading in ("run", "state"):
        table.add_column(heading, overflow="fold")
    for each in placed:
        table.add_row(escape(str(each.folder)), each.state)
    console.print(table)
    for named, reason in words.failures(failures):
        console.print(f"Failed: {named}: {reason}", style="red", markup=False)
    missing = sum(each.state != "finished" for each in placed)
    console.print(f"{missing} of {len(placed)} runs are to be trained; nothing was.")


def _open(page: Path) -> None:
    import sys
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        print(f"No browser could be opened here: open {page} yourself.", file=sys.stderr)
