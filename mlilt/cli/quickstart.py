"""`mlilt quickstart`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "The main job for one language: prep, train, train the full-model baseline, compare."
EXAMPLES = """Examples:

  mlilt quickstart --lang sw

  mlilt quickstart --lang yo --strategy lora --epochs 5

  mlilt quickstart --lang ha --strategy lilt-minus-adapters"""


def command(
    lang: options.Lang,
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy", "-s", help="Held against full-model training: a strategy, a preset, or TEXT/VISION."
        ),
    ] = "layernorm",
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    runs: options.Runs = Path("runs"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The report's folder.")] = Path("reports"),
    offline: options.Offline = False,
) -> None:
    import mlilt
    from mlilt.cli import _tables
    from mlilt.comparison.experiment import strategies_of
    from mlilt.config import make
    from mlilt.training.resolve import resolve

    # A name that is not there should be told before minutes of preparing.
    resolve(make({"lang": lang, **strategies_of(strategy)}))
    console = _tables.out()
    prepared = mlilt.prepare(lang, offline=offline)
    console.print(
        f"{sum(prepared.pictures.values()):,} captioned pictures in {prepared.folder}", soft_wrap=True, markup=False
    )
    given = {"epochs": epochs, "batch_size": batch_size}
    settings = {key: value for key, value in given.items() if value is not None}
    # One seed, for a first answer in minutes.
    comparison = mlilt.compare(lang, (strategy, "lit"), 1, runs, out, offline=offline, **settings)
    _tables.show_comparison(console, comparison)
    if comparison.failures:
        raise typer.Exit(1)
