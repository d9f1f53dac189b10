"""`mlilt train`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Align a vision tower with a multilingual language model, and evaluate it."
EXAMPLES = """Examples:

  mlilt train --lang sw --strategy layernorm                 into runs/sw-layernorm-s0

  mlilt train --lang sw --strategy lora:rank=16+bitfit --seed 1

  mlilt train --lang sw --strategy lilt-da                   a preset: LayerNorm and adapters in both towers

  mlilt train --lang sw --resume                             go on after a stop

  mlilt train --lang sw --lang yo --lang en --language-temperature 3     one model of three languages

  mlilt train --lang sw --lang am --batch-size 4096 --chunk-size 128     gradient caching

  mlilt train --lang sw --batch-size auto                    what suits the data, in chunks that fit into memory

  mlilt train --lang sw --track tensorboard                  watch it: docs/tracking.md

  mlilt train --lang sw --gpus 2                             or: torchrun --nproc-per-node 2 -m mlilt train --lang sw

  mlilt train --config runs/sw-layernorm-s0/config.toml --out runs/again"""

_TOWERS = "Towers and strategies"
_DATA = "Data"
_TRAINING = "Training"
_MACHINE = "Machine"


def command(
    lang: Annotated[
        list[str] | None,
        typer.Option(
            "--lang", "-l", help="Language code of a prepared data set; several train together.", rich_help_panel=_DATA
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="The prepared data set; of several languages the folder that holds theirs. (default: data/LANG)",
            rich_help_panel=_DATA,
        ),
    ] = None,
    language_temperature: Annotated[
        float | None,
        typer.Option(
            "--language-temperature",
            help="Of sampling several languages: 1 is by size, more favours the small ones. (default: 1)",
            rich_help_panel=_DATA,
        ),
    ] = None,
    bridge: Annotated[
        str | None,
        typer.Option(
            "--bridge", help="en: also draw captions to their English ones.", metavar="LANG", rich_help_panel=_DATA
        ),
    ] = None,
    bridge_weight: Annotated[
        float | None,
        typer.Option("--bridge-weight", help="Of that term in the loss. (default: 0.5)", rich_help_panel=_DATA),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            "-s",
            help="What of the text tower trains, or a preset for both towers; parts are joined by +, options follow a "
            "colon. `mlilt strategies` lists all. (default: layernorm)",
            rich_help_panel=_TOWERS,
        ),
    ] = None,
    vision_strategy: Annotated[
        str | None,
        typer.Option(
            "--vision-strategy", help="What of the vision tower trains. (default: frozen)", rich_help_panel=_TOWERS
        ),
    ] = None,
    always_freeze: Annotated[
        list[int] | None,
        typer.Option(
            "--always-freeze",
            help="Block of the text tower that never trains, -1 being the last (repeatable).",
            rich_help_panel=_TOWERS,
        ),
    ] = None,
    vision_always_freeze: Annotated[
        list[int] | None,
        typer.Option("--vision-always-freeze", help="The same of the vision tower.", rich_help_panel=_TOWERS),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text",
            help="Text tower: alias (e5-small, xlm-r-base, mbert, ...), hub id or folder. (default: e5-small)",
            rich_help_panel=_TOWERS,
        ),
    ] = None,
    vision: Annotated[
        str | None,
        typer.Option(
            "--vision",
            help="Vision tower: alias (efficientnet-lite0, deit-base, ...), timm name, folder or ARCH=FILE. "
            "(default: efficientnet-lite0)",
            rich_help_panel=_TOWERS,
        ),
    ] = None,
    trim_vocab: Annotated[
        bool | None,
        typer.Option(
            "--trim-vocab",
            help="Leave out pieces of the vocabulary that the data does not use.",
            show_default=False,
            rich_help_panel=_TOWERS,
        ),
    ] = None,
    concepts: Annotated[
        int | None,
        typer.Option(
            "--concepts",
            help="Train on so many concepts of each language alone, which the seed chooses. (default: all)",
            rich_help_panel=_DATA,
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out", help="Category of pictures that is not trained on (repeatable).", rich_help_panel=_DATA
        ),
    ] = None,
    epochs: Annotated[int | None, options.epochs(_TRAINING)] = None,
    min_steps: Annotated[int | None, options.min_steps(_TRAINING)] = None,
    budget_s: Annotated[float | None, options.budget(_TRAINING)] = None,
    batch_size: Annotated[
        str | None,
        typer.Option(
            "--batch-size",
            metavar="INTEGER|auto",
            help="Captions a batch, over all processes; auto: as suits the data, in chunks that fit into memory. "
            "(default: 128)",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    chunk_size: Annotated[
        int | None,
        typer.Option(
            "--chunk-size",
            help="Captions or pictures encoded at a time; less than a batch is gradient caching, with exact gradients. "
            "(default: 512 on a CPU, 32 where the vision tower trains)",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            "--lr",
            help="Peak learning rate of the text tower. (default: the strategy's own)",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    vision_lr: Annotated[
        float | None,
        typer.Option("--vision-lr", help="The same of the vision tower.", rich_help_panel=_TRAINING),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option("--objective", help="info-nce or siglip. (default: info-nce)", rich_help_panel=_TRAINING),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        typer.Option("--label-smoothing", help="Of the objective's targets. (default: 0)", rich_help_panel=_TRAINING),
    ] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track",
            help="Show the run live: tensorboard, wandb or trackio (repeatable).",
            metavar="NAME",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", help="Decides order, captions and initial weights. (default: 0)", rich_help_panel=_TRAINING
        ),
    ] = None,
    device: Annotated[str | None, options.device(_MACHINE)] = None,
    precision: Annotated[str | None, options.precision(_MACHINE)] = None,
    gpus: Annotated[
        int | None,
        typer.Option(
            "--gpus",
            "--processes",
            help="Train in so many processes on this machine, one a GPU (or on the CPU with --device cpu).",
            min=1,
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    activation_checkpointing: Annotated[
        bool | None,
        typer.Option(
            "--activation-checkpointing",
            help="Compute blocks twice to keep less in memory.",
            show_default=False,
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    compile: Annotated[
        bool | None,
        typer.Option(
            "--compile", help="Compile towers that train (torch.compile).", show_default=False, rich_help_panel=_MACHINE
        ),
    ] = None,
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
        "lang": "+".join(lang) if lang else None,
        "data": data,
        "language_temperature": language_temperature,
        "bridge": bridge,
        "bridge_weight": bridge_weight,
        "strategy": strategy,
        "vision_strategy": vision_strategy,
        "always_freeze": always_freeze or None,
        "vision_always_freeze": vision_always_freeze or None,
        "text": text,
        "vision": vision,
        "trim_vocab": trim_vocab,
        "concepts": concepts,
        "held_out": held_out or None,
        "epochs": epochs,
        "min_steps": min_steps,
        "budget_s": budget_s,
        "batch_size": _number_or_word(batch_size),
        "chunk_size": chunk_size,
        "lr": lr,
        "vision_lr": vision_lr,
        "objective": objective,
        "label_smoothing": label_smoothing,
        "seed": seed,
        "device": device,
        "precision": precision,
        "activation_checkpointing": activation_checkpointing,
        "compile": compile,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if config:
        from mlilt.training.resolve import overruled

        given = overruled(settings, given)
    settings = given
    if "lang" not in settings:
        raise UserError("Name a language, such as --lang sw, or a file with settings, --config FILE.toml.")
    from mlilt.training import checks, distributed, fitting, folders, loop, resolve, trackers

    trackers.check(track or ())
    origin = str(config) if config else "the command line"
    processes = gpus or 1
    starts = processes > 1 and distributed.size() == 1
    if starts:
        checks.check_gpus(settings.get("device"), processes)
    told = partial(print, file=sys.stderr)
    fitted = fitting.fit(settings, origin, out, force=force, offline=offline, processes=processes, told=told)
    checked = configs.make(fitted, origin)

    if starts:
        # Here, that it is said once and before anything is started.
        loop.check(resolve.resolve(checked), offline, processes)
        # What was found here goes to the processes, which are started with the same words.
        found = {key: value for key, value in fitted.items() if settings.get(key) != value}
        raise typer.Exit(
            distributed.start(processes, [f"--{key.replace('_', '-')}={value}" for key, value in found.items()])
        )
    record = loop.train(checked, out=out, resume=resume, force=force, offline=offline, track=track or ())
    if not distributed.first():
        return
    if json:
        print(record.model_dump_json())
        return
    from mlilt.cli import _tables

    console = _tables.out()
    _tables.show_run(console, record, str(out or folders.default(record.config)))
    console.print("Next: mlilt compare")


def _number_or_word(text: str | None) -> int | str | None:
    """What is no number is for the settings to judge."""
    try:
        return text and int(text)
    except ValueError:
        return text
