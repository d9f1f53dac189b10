"""`mlilt serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlilt.cli import _options as options

HELP = "Search pictures in a browser: a page and an HTTP API, on this machine alone unless told otherwise."
EXAMPLES = """Examples:

  mlilt serve indexes/demo                             then open the address that it prints

  mlilt serve indexes/demo-layernorm indexes/demo-full          two runs side by side

  mlilt serve indexes/demo --port 9000 --open          another port; opens the page

  curl 'http://127.0.0.1:8000/api/search?q=mbwa&top=5'           for programs; /openapi.json describes it"""


def command(
    indexes: Annotated[
        list[Path], typer.Argument(help="Folders that `mlilt index` made.", metavar="INDEX...", show_default=False)
    ],
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="The address to listen at. Anything but the default lets others in: whoever reaches this machine "
            "then sees all pictures; there is no password and no encryption.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", help="0 takes a free one.", min=0, max=65535)] = 8000,
    max_upload: Annotated[
        float, typer.Option("--max-upload", help="MiB that a picture to search by may have.", min=0.001)
    ] = 16,
    max_pixels: Annotated[
        float, typer.Option("--max-pixels", help="Millions of pixels that it may have.", min=0.001, max=64)
    ] = 40,
    run: Annotated[
        Path | None, typer.Option("--run", help="The run's folder. (default: where it was when the index was made)")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    offline: options.Offline = False,
) -> None:
    from mlilt import serving
    from mlilt.cli.main import Stopped
    from mlilt.serving.server import is_loopback

    def ready(address: str) -> None:
        if not is_loopback(host):
            print(
                f"Anyone who can reach this machine at {host} can search and see these pictures: there is no password "
                "and no encryption.",
                file=sys.stderr,
            )
        print(f"Serving {address} (stop with Ctrl-C)", flush=True)
        if show:
            typer.launch(address)

    limits = serving.Limits(bytes=int(max_upload * serving.limits.MIB), pixels=int(max_pixels * 1e6))
    try:
        serving.serve(indexes, host, port, limits, run, offline, ready)
    except Stopped:
        # The server has closed in order before it passes the signal on.
        print("Stopped.", file=sys.stderr)
