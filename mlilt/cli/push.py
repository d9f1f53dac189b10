"""`mlilt push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Upload an export to a repository of the model hub."
EXAMPLES = """Examples:

  hf auth login                                                    once, with a token that may write

  mlilt push exports/sw-layernorm-s0-sentence-transformers me/picha

  mlilt push exports/sw-layernorm-s0-onnx archive/picha-onnx --private"""


def command(
    folder: Annotated[Path, typer.Argument(help="What mlilt export wrote.", metavar="EXPORT", show_default=False)],
    repo: Annotated[str, typer.Argument(help="organization/name, or name.", metavar="REPO", show_default=False)],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Of the commit.", show_default=False)] = None,
    json: options.Json = False,
) -> None:
    from mlilt.export import hub

    url = hub.push(folder, repo, private, message)
    if json:
        import json as writer

        print(writer.dumps({"url": url}))
        return
    print(f"{folder} is at {url}")
