"""The API, asked as programs ask it: found the same as without it, and nothing that should not be."""

from __future__ import annotations

import contextlib
import io
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from data_prep.pipeline import Prepared
from mlilt import data, search
from mlilt.serving.rendering import render
from tests.mlilt.serving.conftest import LIMITS


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def shown(small_sw: Prepared) -> dict[str, bytes]:
    return dict(data.read_pictures(small_sw.folder, "test"))


def found(answer: httpx.Response) -> list[tuple[str, float]]:
    assert answer.status_code == 200, answer.text
    return [(hit["image_id"], hit["score"]) for hit in answer.json()["hits"]]


def test_a_text_finds_what_the_index_finds(client: httpx.Client, folders: list[Path]) -> None:
    for folder in folders:
        index = search.open_index(folder)
        for query in ("mbwa mkubwa", "  uso ", "🐕", "ﬂag \x00\u202e"):
            answer = client.get("/api/search", params={"q": query, "top": 7, "index": folder.name})
            # By the text tower as it is compiled for the server.
            expected = index.search(query, 7, compiled=True)
            assert [one[0] for one in found(answer)] == [hit.image_id for hit in expected]
            for (_, score), hit in zip(found(answer), expected, strict=True):
                assert score == pytest.approx(hit.score, abs=2e-3)
    assert found(client.get("/api/search", params={"q": "mbwa"})) == found(
        client.get("/api/search", params={"q": "mbwa", "top": 30, "index": "files"})
    )


def test_a_picture_finds_itself(client: httpx.Client, shown: dict[str, bytes], pictures: Path) -> None:
    for image_id, picture in list(shown.items())[:3]:
        answer = client.post("/api/search/picture", params={"index": "data", "top": 1}, content=picture)
        assert found(answer)[0][0] == image_id
        [(mine, score)] = found(client.post("/api/search/picture", params={"top": 1}, content=picture))
        assert score > 0.99
        similar = client.get("/api/similar", params={"image_id": mine, "top": 5})
        assert found(similar)[0][0] == mine
        across = client.get("/api/similar", params={"image_id": image_id, "of": "data", "index": "files", "top": 1})
        assert found(across)[0][0] == mine


def test_pictures_come_drawn_anew_and_are_not_sent_twice(client: httpx.Client, tmp_path: Path) -> None:
    hits = client.get("/api/search", params={"q": "mbwa", "top": 2}).json()["hits"]
    for side in (256, 1024):
        answer = client.get(f"/api/pictures/files/{hits[0]['image_id']}", params={"side": side})
        assert answer.headers["content-type"] == "image/webp"
        drawn = Image.open(io.BytesIO(answer.content))
        assert max(drawn.size) <= side
        again = client.get(
            f"/api/pictures/files/{hits[0]['image_id']}",
            params={"side": side},
            headers={"if-none-match": answer.headers["etag"]},
        )
        assert (again.status_code, again.content) == (304, b"")


def test_what_a_camera_wrote_is_not_sent_and_the_picture_stands_upright() -> None:
    made = Image.new("RGB", (400, 200), "red")
    exif = made.getexif()
    exif[0x0112] = 6  # turned
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}  # where it was taken
    taken = io.BytesIO()
    made.save(taken, "JPEG", exif=exif)
    assert dict(Image.open(io.BytesIO(taken.getvalue())).getexif().get_ifd(0x8825))
    drawn = Image.open(io.BytesIO(render(taken.getvalue(), 100)))
    assert drawn.size == (50, 100)
    assert not drawn.getexif()
    assert set(drawn.info) <= {"loop", "background", "timestamp", "duration"}


def test_what_is_not_there_is_404_and_what_is_wrong_4xx(client: httpx.Client) -> None:
    for path, status, said in (
        ("/api/search?q=mbwa&index=nope", 404, "There is no index 'nope'. Served: files, data."),
        ("/api/search?q=", 422, ""),
        ("/api/search", 422, ""),
        ("/api/search?q=%20%0a", 422, ""),
        (f"/api/search?q={'a' * 1001}", 422, ""),
        ("/api/search?q=a&top=0", 422, ""),
        ("/api/search?q=a&top=201", 422, ""),
        ("/api/similar?image_id=0000000000000000", 404, "There is no such picture."),
        ("/api/similar?image_id=..%2f..%2fetc", 422, ""),
        ("/api/pictures/files/0000000000000000", 404, "There is no such picture."),
        ("/api/pictures/nope/0000000000000000", 404, ""),
        ("/api/pictures/files/..%2f..%2f..%2fetc%2fpasswd", 404, ""),
        ("/api/pictures/files/%2e%2e", 422, ""),
        ("/api/pictures/files/0000000000000000?side=9999", 422, ""),
        ("/page/..%2fapp.py", 404, ""),
        ("/page/%2e%2e/app.py", 404, ""),
        ("/api/interface/xx", 404, "The page speaks"),
        ("/docs", 404, ""),
    ):
        answer = client.get(path)
        assert answer.status_code == status, (path, answer.text)
        assert said in answer.text
        assert "root:" not in answer.text


def test_a_picture_that_is_too_large_or_none_is_refused(client: httpx.Client) -> None:
    wide = io.BytesIO()
    Image.new("L", (1200, 1200)).save(wide, "PNG")
    small = io.BytesIO()
    Image.effect_noise((100, 100), 50).save(small, "PNG")
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < LIMITS.bytes
    for body, status, said in (
        (b"x" * (LIMITS.bytes + 1), 413, "200,000 bytes at most"),
        (wide.getvalue(), 413, "1,000,000 pixels at most"),
        (bomb.getvalue(), 413, "1,000,000 pixels at most"),
        (b"", 415, "empty"),
        (b"<html>", 415, "no known format"),
        (small.getvalue()[:2000], 415, "damaged or cut short"),
    ):
        answer = client.post("/api/search/picture", content=body)
        assert answer.status_code == status, answer.text
        assert said in answer.text
    # Without a length told, too.
    answer = client.post("/api/search/picture", content=(b"x" * 1000 for _ in range(300)))
    assert answer.status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(address: str) -> None:
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as sent:
        sent.sendall(b"POST /api/search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
        assert sent.recv(100).startswith(b"HTTP/1.1 408")


def test_an_upload_that_is_cancelled_breaks_nothing(address: str, client: httpx.Client) -> None:
    parts = urlsplit(address)

    def count(status: str) -> float:
        families = text_string_to_metric_families(client.get("/metrics").text)
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "mlilt_requests_total" and sample.labels["status"] == status
        )

    before = count("400")
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as sent:
        sent.sendall(b"POST /api/search/picture HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
        time.sleep(0.3)
    deadline = time.monotonic() + 20
    while count("400") == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert count("500") == 0


def test_another_name_for_this_machine_is_refused_and_pages_may_not_load_from_elsewhere(client: httpx.Client) -> None:
    assert client.get("/api/indexes", headers={"host": "evil.example"}).status_code == 400
    answer = client.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in ("/", "/page/app.js", "/page/style.css"):
        text = client.get(path).text
        assert "http:" not in text
        assert "https:" not in text


def test_the_server_tells_how_it_is(client: httpx.Client, folders: list[Path], shown: dict[str, bytes]) -> None:
    assert client.get("/health").json()["status"] == "ok"
    told = client.get("/api/indexes").json()
    assert [(one["name"], one["pictures"], one["languages"]) for one in told] == [
        (folder.name, len(shown), ["sw"]) for folder in folders
    ]

    def count() -> float:
        families = text_string_to_metric_families(client.get("/metrics").text)
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "mlilt_requests_total" and sample.labels == {"route": "/api/search", "status": "200"}
        )

    before = count()
    for _ in range(3):
        client.get("/api/search", params={"q": "siri"})
    assert count() == before + 3
    assert "siri" not in client.get("/metrics").text


def test_no_request_that_the_description_allows_or_forbids_breaks_it(app: FastAPI) -> None:
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [operation.ok() for operation in schema.get_all_operations()]
    assert len(operations) == 9
    asked = 0
    for operation in operations:
        for mode in GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=40, suppress_health_check=list(HealthCheck))
            def ask(case: Case) -> None:
                nonlocal asked
                asked += 1
                case.call_and_validate(checks=checks)

            # What takes nothing cannot be given anything wrong.
            with contextlib.suppress(Unsatisfiable):
                ask()
    assert asked > 200
