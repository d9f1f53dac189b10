"""`mlilt train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Align a frozen vision tower with a multilingual language model, and evaluate it."
EXAMPLES = """Examples:

  mlilt train --lang sw --strategy layernorm                 into runs/sw-layernorm-s0

  mlilt train --lang sw --strategy full --epochs 20 --seed 1

  mlilt train --lang sw --resume                             go on after a stop

  mlilt train --config runs/sw-layernorm-s0/config.toml --out runs/again

  mlilt train --lang am --text xlm-r-base --vision dinov2-small"""


def command(
    lang: Annotated[str | None, typer.Option("--lang", "-l", help="Language code of a prepared data set.")] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            "-s",
            help="What of the text tower trains: frozen, layernorm, bitfit, lora or full. (default: layernorm)",
        ),
    ] = None,
    text: options.Text = None,
    vision: options.Vision = None,
    data: options.Data = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    lr: options.LearningRate = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Decides order, captions and initial weights. (default: 0)")
    ] = None,
    device: options.Device = None,
    precision: options.Precision = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="TOML file with settings; options given here overrule it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run's folder. (default: runs/LANG-STRATEGY-sSEED)")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Start anew, whatever the folder holds of a run.")] = False,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    from data_prep.errors import UserError
    from mlilt import config as configs

    settings = configs.read_settings(config) if config else {}
    given = {
        "lang": lang,
        "strategy": strategy,
        "text": text,
        "vision": vision,
        "data": data,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "seed": seed,
        "device": device,
        "precision": precision,
    }
    settings |= {key: value for key, value in given.items() if value is not None}
    if "lang" not in settings:
        raise UserError("Name a language, such as --lang sw, or a file with settings, --config FILE.toml.")
    checked = configs.make(settings, str(config) if config else "the command line")
    from mlilt.training import folders, loop

    folder = out or folders.default(checked)
    record = loop.train(checked, out=folder, resume=resume, force=force, offline=offline)
    if json:
        print(record.model_dump_json())
        return
    from mlilt.cli import _tables

    console = _tables.out()
    _tables.show_run(console, record, str(folder))
    console.print("Next: mlilt compare")
