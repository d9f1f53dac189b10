"""`mlilt search`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlilt.cli import _options as options

if TYPE_CHECKING:
    from mlilt.search import Hit, SearchIndex

HELP = "Search an index of pictures by text or by picture."
EXAMPLES = """Examples:

  mlilt search indexes/demo "mbwa mkubwa"              ranked pictures, with scores

  mlilt search indexes/demo --image dog.jpg --top 20   what looks like it

  mlilt search indexes/demo "mbwa" --json              for programs

  mlilt search indexes/demo < queries.txt --json       many queries, one a line: an object a line comes back"""

_SAY = (
    'Say what to search for: `mlilt search INDEX "mbwa mkubwa"`, or --image FILE, or a query a line on standard input.'
)
# A picture's size on a terminal, in cells.
_COLUMNS, _LINES = 24, 10


def command(
    index: Annotated[Path, typer.Argument(help="Folder that `mlilt index` made.", metavar="INDEX", show_default=False)],
    query: Annotated[
        str | None,
        typer.Argument(
            help="What to search for, in any language of the model. (default: the lines of standard input)",
            metavar="[QUERY]",
            show_default=False,
        ),
    ] = None,
    image: Annotated[Path | None, typer.Option("--image", help="Search by this picture instead.")] = None,
    top: Annotated[int, typer.Option("--top", "-n", help="How many pictures.", min=1)] = 10,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare with all pictures, not those in the nearest lists.")
    ] = False,
    pictures: Annotated[
        bool | None,
        typer.Option("--pictures/--no-pictures", help="Show them. (default: in terminals that can)"),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="The run's folder. (default: where it was when the index was made)")
    ] = None,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    # Not above: the list of commands needs nothing of this.
    from data_prep.errors import UserError

    if query is not None and image is not None:
        raise UserError("Give a text or --image, not both.")
    if query is None and image is None and sys.stdin.isatty():
        raise UserError(_SAY)
    from mlilt import search
    from mlilt.search.index import PictureError

    found = search.open_index(index, run, offline)
    if image is not None:
        try:
            hits = found.search_image(image, top, exact)
        except PictureError as error:
            raise UserError(f"{image}: {error}") from error
        _tell(found, str(image), hits, json, pictures)
        return
    if query is not None:
        _tell(found, query, found.search(query, top, exact), json, pictures)
        return
    asked = 0
    for line in filter(None, map(str.strip, sys.stdin)):
        asked += 1
        _tell(found, line, found.search(line, top, exact), json, pictures, line=True)
    if not asked:
        raise UserError(_SAY)


def _tell(
    index: SearchIndex, query: str, hits: list[Hit], json: bool, pictures: bool | None, line: bool = False
) -> None:
    if json:
        import json as writer

        told = {"query": query, "hits": [_plain(index, hit) for hit in hits]}
        print(writer.dumps(told, indent=None if line else 1, ensure_ascii=False), flush=line)
        return
    from rich.markup import escape
    from rich.table import Table

    from mlilt.cli import _tables

    console = _tables.out()
    # Whether a terminal can show pictures is asked through standard input, too.
    able = console.is_terminal and sys.stdin.isatty()
    if (able if pictures is None else pictures) and (grid := _grid(index, hits, console.width, bool(pictures))):
        console.print(grid)
    captions = any(hit.caption for hit in hits)
    table = Table(title=escape(query), title_justify="left")
    table.add_column("", justify="right")
    table.add_column("score", justify="right")
    table.add_column("picture", overflow="fold")
    if captions:
        table.add_column("caption", overflow="fold")
    for hit in hits:
        more = f" and {len(hit.names) - 1} like it" if len(hit.names) > 1 else ""
        named = escape(str(index.path(hit) or hit.names[0]) + more)
        table.add_row(str(hit.rank), f"{hit.score:.3f}", named, *([escape(hit.caption)] if captions else []))
    console.print(table)


def _plain(index: SearchIndex, hit: Hit) -> dict[str, Any]:
    from dataclasses import asdict

    path = index.path(hit)
    return {**asdict(hit), "path": None if path is None else str(path)}


def _grid(index: SearchIndex, hits: list[Hit], width: int, asked: bool) -> Any:
    """Thumbnails side by side, as the terminal can show them; None where it cannot, unless they are asked for."""
    from rich.console import Group
    from rich.table import Table

    from data_prep.pictures import PictureError, decode

    try:
        from textual_image.renderable import HalfcellImage, Image, UnicodeImage
    except OSError:  # it asks the terminal, which may be none
        return None
    if Image is UnicodeImage and not asked:
        return None
    # Without colours there would be nothing to see.
    Image = HalfcellImage if Image is UnicodeImage else Image
    across = max(1, width // (_COLUMNS + 2))
    grid = Table.grid(padding=(0, 1))
    cells: list[Any] = []
    for hit in hits:
        try:
            shown: Any = Image(decode(index.picture(hit.image_id)), width=_COLUMNS, height=_LINES)
        except PictureError as error:
            shown = str(error)
        cells.append(Group(shown, f"{hit.rank}  {hit.score:.3f}"))
    for start in range(0, len(cells), across):
        grid.add_row(*cells[start : start + across])
    return grid
