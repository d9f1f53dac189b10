"""How long a client may take to say what it wants."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class Patience(H11Protocol):
    """HTTP/1.1 with an end to waiting: connections that send headers a byte at a time are closed.

    What may hold a connection longer is a request that is being answered; its body has its own limit.
    """

    # A request's line and headers must have come after so many; uvicorn itself would wait for ever.
    seconds = 10.0
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Waits for the first request."""
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        self._wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop()
        self._end = self.loop.call_later(self.seconds, self._close_if_waiting)

    def _stop(self) -> None:
        if self._end is not None:
            self._end.cancel()

    def _close_if_waiting(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
