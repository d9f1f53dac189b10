"""`mlilt compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Compare strategies with full-model training, and write a report."
EXAMPLES = """Examples:

  mlilt compare                                                         all runs there are

  mlilt compare --lang sw --strategy layernorm --strategy full --seeds 3    trains what is missing first

  mlilt compare --lang sw --strategy lilt-da --strategy layernorm/bitfit --strategy clip     of both towers

  mlilt compare --lang sw+yo --strategy layernorm --strategy full           runs trained on two languages together

  mlilt compare --lang sw --json | jq '.groups[0].rows'"""


def command(
    lang: Annotated[
        list[str] | None,
        typer.Option("--lang", "-l", help="Only this language (repeatable); sw+yo: trained together. (default: all)"),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            "-s",
            help="Train this where it is missing (repeatable): a strategy of the text tower, a preset, or TEXT/VISION.",
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", help="Runs of each strategy, with seeds 0, 1, ... (default: 1)")
    ] = None,
    data: options.Data = None,
    text: options.Text = None,
    vision: options.Vision = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    device: options.Device = None,
    precision: options.Precision = None,
    runs: options.Runs = Path("runs"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The report's folder.")] = Path("reports"),
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    import mlilt

    given = {
        "data": data,
        "text": text,
        "vision": vision,
        "epochs": epochs,
        "batch_size": batch_size,
        "device": device,
        "precision": precision,
    }
    comparison = mlilt.compare(
        lang or (),
        strategy or (),
        seeds,
        runs,
        out,
        offline=offline,
        **{key: value for key, value in given.items() if value is not None},
    )
    if json:
        print((comparison.page.parent / "results.json").read_text(encoding="utf-8"), end="")
    else:
        from mlilt.cli import _tables

        _tables.show_comparison(_tables.out(), comparison)
    if comparison.failures:
        raise typer.Exit(1)
