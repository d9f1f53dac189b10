"""`mlilt export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Write a run for another library: transformers, sentence-transformers, open_clip, ONNX, or plain towers."
EXAMPLES = """Examples:

  mlilt export runs/sw-layernorm-s0 --to sentence-transformers     into exports/sw-layernorm-s0-sentence-transformers

  mlilt export runs/sw-layernorm-s0 --to onnx --out model          graphs of both towers; the text tower in 8 bits too

  mlilt export runs/sw-lora-s0 --to merged                         plain towers, LoRA's products merged"""


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="RUN", show_default=False)],
    to: Annotated[
        str,
        typer.Option("--to", help="transformers, sentence-transformers, open_clip, onnx or merged.", metavar="TARGET"),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder. (default: exports/RUN-TARGET)")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    from mlilt import export

    folder = export.export(run, to, out, force, offline)
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }
    if json:
        import json as writer

        print(writer.dumps({"folder": str(folder), "files": files}, indent=1, ensure_ascii=False))
        return
    from mlilt.cli import _tables
    from mlilt.comparison import words

    console = _tables.out()
    for name, size in files.items():
        console.print(f"{words.size(size, 'B'):>9}  {name}", highlight=False, markup=False)
    console.print(f"{folder} is ready; {folder / export.CARD} says how to load it.", soft_wrap=True, markup=False)
