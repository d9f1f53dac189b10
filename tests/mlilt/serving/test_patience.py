"""Slow clients of a real server on a socket."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI

from mlilt.serving.patience import Patience
from tests.mlilt.serving.conftest import running

GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Hasty(Patience):
    seconds = 0.6


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(3 * Hasty.seconds)
        return "at last"

    with running(uvicorn.Config(app, http=Hasty, log_level="warning", timeout_keep_alive=60)) as heard:
        yield heard


@pytest.mark.parametrize("before", [b"", GET % b"openapi.json"])
def test_headers_that_come_a_byte_at_a_time_end_the_connection(port: int, before: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sent:
        sent.sendall(before)
        if before:
            assert sent.recv(100).startswith(b"HTTP/1.1 200")
        begun = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT012
            while time.monotonic() < begun + 30:
                sent.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() - begun >= 0.5 * Hasty.seconds


def test_an_answer_that_takes_long_is_waited_for_and_more_may_be_asked(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sent:
        for _ in range(2):
            sent.sendall(GET % b"slow")
            answer = b""
            while b"at last" not in answer:
                part = sent.recv(1000)
                assert part, answer
                answer += part
