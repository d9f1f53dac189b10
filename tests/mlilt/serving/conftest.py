"""A server with two indexes of the same pictures, and their parts."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from data_prep.pipeline import Prepared
from mlilt import data, search, serving
from mlilt.config import RunConfig
from mlilt.serving import Limits, Served
from mlilt.serving.server import _listen
from mlilt.training import loop

LIMITS = Limits(bytes=200_000, pixels=1_000_000, seconds=2.0)


@pytest.fixture(scope="session")
def pictures(small_sw: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test split's pictures as files."""
    root = tmp_path_factory.mktemp("served") / "pictures"
    root.mkdir()
    for image_id, picture in data.read_pictures(small_sw.folder, "test"):
        (root / f"{image_id}.png").write_bytes(picture)
    return root


@pytest.fixture(scope="session")
def folders(
    real: Path, pictures: Path, small_sw: Prepared, settings: Callable[..., RunConfig], xlmr_folder: Path
) -> list[Path]:
    """An index of files by the run of default towers, and one of the data set by another run. To be read only."""
    root = pictures.parent
    other = root / "other"
    loop.train(settings(text=str(xlmr_folder), strategy="full", epochs=1), out=other, progress=False)
    search.build(real, pictures, root / "files", progress=False)
    search.build(other, small_sw.folder, root / "data", ["test"], progress=False)
    return [root / "files", root / "data"]


@pytest.fixture(scope="session")
def app(folders: list[Path]) -> FastAPI:
    """The application, with narrow limits."""
    served = [Served(folder.name, folder, offline=True) for folder in folders]
    return serving.create_app(served, LIMITS, ["localhost", "127.0.0.1", "testserver"])


@pytest.fixture(scope="session")
def address(app: FastAPI) -> Iterator[str]:
    """Where the application is served."""
    with running(uvicorn.Config(app, log_level="warning")) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def running(config: uvicorn.Config) -> Iterator[int]:
    """The port of a server in a thread of this process."""
    heard = _listen("127.0.0.1", 0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [heard]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield heard.getsockname()[1]
    server.should_exit = True
    thread.join()
    heard.close()
