"""Uploads by the hub's real client to a hub on this machine that speaks what the client needs of its protocol."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from mlilt import export
from mlilt.config import RunConfig
from mlilt.export import targets
from mlilt.training import loop

TOKEN = "hf_of_the_test"


class Hub:
    """Keeps the files of one commit; refuses whoever has another token."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.created: list[dict[str, Any]] = []
        self.message = ""
        self.app = FastAPI()
        self.app.middleware("http")(self._admit)
        self.app.post("/api/repos/create")(self._create)
        self.app.post("/api/validate-yaml")(self._validate)
        self.app.post("/api/models/me/{name}/preupload/main")(self._modes)
        self.app.post("/me/{name}.git/info/lfs/objects/batch")(self._batch)
        self.app.put("/blobs/{oid}")(self._store)
        self.app.post("/api/models/me/{name}/commit/main")(self._commit)
        config = uvicorn.Config(self.app, host="127.0.0.1", port=0, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def _admit(self, request: Request, call_next: Any) -> Response:
        if "blobs" not in request.url.path and request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response(json.dumps({"error": "Invalid token"}), 401)
        found: Response = await call_next(request)
        return found

    async def _create(self, request: Request) -> dict[str, str]:
        asked = await request.json()
        self.created.append(asked)
        return {"url": f"{self.url}/me/{asked['name']}", "name": f"me/{asked['name']}"}

    async def _validate(self, request: Request) -> dict[str, list[str]]:
        assert (await request.json())["content"].startswith("---\n")
        return {"errors": [], "warnings": []}

    async def _modes(self, request: Request) -> dict[str, Any]:
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith((".safetensors", ".onnx")) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in (await request.json())["files"]
            ]
        }

    async def _batch(self, request: Request) -> dict[str, Any]:
        objects = (await request.json())["objects"]
        upload = [{**each, "actions": {"upload": {"href": f"{self.url}/blobs/{each['oid']}"}}} for each in objects]
        return {"transfer": "basic", "objects": upload}

    async def _store(self, oid: str, request: Request) -> None:
        content = await request.body()
        assert hashlib.sha256(content).hexdigest() == oid
        self.blobs[oid] = content

    async def _commit(self, request: Request) -> dict[str, str]:
        for line in (await request.body()).splitlines():
            told = json.loads(line)
            value = told["value"]
            if told["key"] == "header":
                self.message = value["summary"]
            elif told["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            else:
                self.files[value["path"]] = self.blobs[value["oid"]]
        return {"commitUrl": f"{self.url}/me/picha/commit/{'0' * 40}", "commitOid": "0" * 40, "commitMessage": ""}


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    running = Hub()
    yield running
    running.close()


@pytest.fixture(scope="module")
def run(settings: Callable[..., RunConfig], xlmr_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "small"
    loop.train(settings(text=str(xlmr_folder), epochs=1, concepts=30), out=out, progress=False)
    return out


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    return export.export(run, "open_clip", run.parent / "exported", offline=True, progress=False)


def _push(*arguments: str, url: str, home: Path, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    # The hub of this test has the older of two ways to upload large files.
    own = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    own |= {"HF_TOKEN": token} if token else {}
    return subprocess.run(
        [sys.executable, "-m", "mlilt", "push", *arguments],
        env={**kept, **own},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_export_comes_to_lie_on_the_hub(hub: Hub, exported: Path, tmp_path: Path) -> None:
    hub.files.clear()
    done = _push(str(exported), "me/picha", "--private", "--json", url=hub.url, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"url": f"{hub.url}/me/picha"}
    # As older and as newer clients ask for it.
    assert hub.created[-1].get("private") is True or hub.created[-1].get("visibility") == "private"
    assert "written by mlilt for open_clip" in hub.message
    there = {path.relative_to(exported).as_posix(): path for path in exported.rglob("*") if path.is_file()}
    assert there.keys() == hub.files.keys()
    # What names its own place names that on the hub; all else is as it was.
    changed = {name for name, path in there.items() if path.read_bytes() != hub.files[name]}
    assert changed == {"README.md", "open_clip_config.json"}
    told = json.loads(hub.files["open_clip_config.json"])["model_cfg"]["text_cfg"]
    assert (told["hf_model_name"], told["hf_tokenizer_name"]) == ("me/picha", "me/picha")
    card = hub.files["README.md"].decode()
    assert 'open_clip.create_model_and_transforms("hf-hub:me/picha")' in card
    assert str(exported) not in card
    # Giving the same command again is no error.
    assert _push(str(exported), "me/picha", "-m", "again", url=hub.url, home=tmp_path).returncode == 0
    assert hub.message == "again"


@pytest.mark.parametrize("name", targets.names())
def test_code_for_the_hub_is_python_that_names_no_folder(name: str) -> None:
    code = targets.load(name).HUB_USE.replace("FOLDER", "me/picha")
    compile(code, name, "exec")
    # Where a file is opened it is in the folder that the hub's client downloaded.
    assert not re.findall(r'"me/picha/', code)
    assert code.count("me/picha") >= 1


@pytest.mark.parametrize(
    ("token", "repo", "said"),
    [
        (None, "me/picha", "hf auth login"),
        ("hf_another", "me/picha", "refused (401"),
        (TOKEN, "me/not a name", "cannot be a repository's name"),
    ],
)
def test_what_is_wrong_is_said(
    token: str | None, repo: str, said: str, hub: Hub, exported: Path, tmp_path: Path
) -> None:
    done = _push(str(exported), repo, url=hub.url, home=tmp_path, token=token)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_out_of_reach_and_folders_that_are_no_export(exported: Path, run: Path, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    done = _push(str(exported), "me/picha", url=nowhere, home=tmp_path)
    assert (done.returncode, "The hub cannot be reached" in done.stderr) == (2, True)
    for folder, said in ((run, "Export it first: `mlilt export"), (tmp_path, "is no export")):
        done = _push(str(folder), "me/picha", url=nowhere, home=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr
