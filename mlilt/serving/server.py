"""Runs the application until it is told to stop."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from data_prep.errors import UserError
from mlilt.serving.app import create_app
from mlilt.serving.limits import Limits
from mlilt.serving.patience import Patience
from mlilt.serving.served import Served, name_all

# Seconds that running requests have once the server is told to stop.
_LAST_S = 5
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    indexes: Sequence[Path | str],
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    run: Path | str | None = None,
    offline: bool = False,
    ready: Callable[[str], None] = print,
) -> None:
    """Serves indexes until SIGINT or SIGTERM; requests that run then are answered first.

    Args:
        indexes: folders of indexes.
        host: the address to listen at; anything but this machine's own lets others in.
        port: 0 takes a free one.
        limits: what a picture that is sent may be.
        run: the run's folder, if it is not where the index says; for one index alone.
        offline: use only what is on this machine.
        ready: called with the page's address once it answers.

    Raises:
        UserError: no index, or the address cannot be listened at.
    """
    folders = [Path(index) for index in indexes]
    if run is not None and len(folders) > 1:
        raise UserError("--run names the run of one index; of several each has to be where its index says.")
    heard = _listen(host, port)
    try:
        served = [
            Served(name, folder, None if run is None else Path(run), offline)
            for name, folder in zip(name_all(folders), folders, strict=True)
        ]
        shown = f"[{host}]" if ":" in host else host
        app = create_app(served, limits, (*_LOOPBACK, shown) if is_loopback(host) else None)
        config = uvicorn.Config(
            app,
            http=Patience,
            log_level="warning",
            timeout_graceful_shutdown=_LAST_S,
            timeout_keep_alive=10,
            server_header=False,
        )
        ready(f"http://{shown}:{heard.getsockname()[1]}/")
        uvicorn.Server(config).run(sockets=[heard])
    finally:
        heard.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        heard = socket.socket(family, kind, protocol)
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        heard.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{host}:{port} cannot be listened at: {reason}. Choose another --port (0 takes a free one) or --host."
        ) from error
    heard.listen(1024)
    return heard
