"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Lang = Annotated[str, typer.Option("--lang", "-l", help="Language code; `mlilt languages` lists them.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use only what is on this machine; download nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Text = Annotated[
    str | None,
    typer.Option(
        "--text", help="Text tower: alias (e5-small, xlm-r-base, mbert, ...), hub id or folder. (default: e5-small)"
    ),
]
Vision = Annotated[
    str | None,
    typer.Option(
        "--vision",
        help="Vision tower: alias (efficientnet-lite0, deit-base, ...), timm name, folder or ARCH=FILE. "
        "(default: efficientnet-lite0)",
    ),
]
Data = Annotated[str | None, typer.Option("--data", help="The prepared data set. (default: data/LANG)")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Times every picture is seen. (default: 10)")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Captions a batch. (default: 128)")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda. (default: auto)", metavar="DEVICE")]
Precision = Annotated[
    str | None, typer.Option("--precision", help="auto, fp32 or bf16. (default: auto)", metavar="PRECISION")
]
Runs = Annotated[Path, typer.Option("--runs", help="Folder with the runs.")]
