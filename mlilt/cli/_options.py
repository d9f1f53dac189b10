"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

# What several commands show, each under a heading of its own.


def epochs(panel: str | None = None) -> Any:
    """How often all is seen."""
    return typer.Option("--epochs", help="Times every picture is seen. (default: 10)", rich_help_panel=panel)


def min_steps(panel: str) -> Any:
    """How many steps there are at least."""
    return typer.Option(
        "--min-steps", help="More epochs where these are fewer steps. (default: 0)", rich_help_panel=panel
    )


def budget(panel: str) -> Any:
    """For how long is trained."""
    return typer.Option(
        "--budget",
        help="Train for so many seconds of training steps, however many epochs that is.",
        rich_help_panel=panel,
    )


def device(panel: str) -> Any:
    """Where."""
    return typer.Option("--device", help="auto, cpu or cuda. (default: auto)", metavar="DEVICE", rich_help_panel=panel)


def precision(panel: str) -> Any:
    """Of matrix products."""
    return typer.Option(
        "--precision", help="auto, fp32 or bf16. (default: auto)", metavar="PRECISION", rich_help_panel=panel
    )


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
Epochs = Annotated[int | None, epochs()]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Captions a batch. (default: 128)")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder with the runs.")]
