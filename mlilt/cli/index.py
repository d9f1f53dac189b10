"""`mlilt index`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Make an index of pictures to search, or bring one up to date."
EXAMPLES = """Examples:

  mlilt index runs/sw-layernorm-s0 ~/Pictures          your pictures, into indexes/Pictures-sw-layernorm-s0

  mlilt index runs/sw-layernorm-s0 ~/Pictures          again: what was added, changed and removed since

  mlilt index runs/sw-layernorm-s0 data/sw --split test --out indexes/demo

  mlilt search indexes/demo "mbwa mkubwa"              then search it"""

# So many files that cannot be read are named one by one.
_NAMED = 10


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="RUN", show_default=False)],
    pictures: Annotated[
        Path,
        typer.Argument(
            help="Folder of pictures, with the folders in it; or a prepared data set.",
            metavar="PICTURES",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The index's folder. (default: indexes/PICTURES-RUN)")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Of a data set only this split (repeatable). (default: all)")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make it anew; replaces an index of another run.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    from mlilt import search

    built = search.build(run, pictures, out, split or (), force, device, offline)
    about = built.about
    if json:
        import json as writer

        told = {
            "index": str(built.folder),
            "pictures": about.count,
            "files": about.files,
            "added": built.added,
            "changed": built.changed,
            "removed": built.removed,
            "broken": [{"file": name, "problem": problem} for name, problem in built.broken],
            "encoded": built.encoded,
            "seconds": round(built.seconds, 3),
        }
        print(writer.dumps(told, indent=1, ensure_ascii=False))
        return
    from mlilt.cli import _tables
    from mlilt.comparison import words

    console = _tables.out()
    for name, problem in built.broken[:_NAMED]:
        console.print(f"Left out: {name}: {problem}", style="yellow", soft_wrap=True, markup=False)
    if len(built.broken) > _NAMED:
        console.print(f"Left out: {len(built.broken) - _NAMED:,} more; --json lists them all.", style="yellow")
    console.print(
        f"{about.count:,} different pictures in {about.files - about.broken:,} files: {len(built.added):,} files "
        f"added, {len(built.changed):,} changed, {len(built.removed):,} removed; {built.encoded:,} pictures encoded "
        f"in {words.duration(built.seconds)}."
    )
    console.print(f"Index: {built.folder}", soft_wrap=True, markup=False)
    console.print(f'Next: mlilt search {built.folder} "..."', soft_wrap=True, markup=False)
