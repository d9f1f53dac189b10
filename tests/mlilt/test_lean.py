"""What is installed without extras: a real environment that holds the core's own requirements, and theirs, alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
import venv
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

from tests.conftest import Once

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def needed(requirements: list[str]) -> set[str]:
    """Names of the packages that requirements lead to."""
    known: set[tuple[str, frozenset[str]]] = set()
    todo = [Requirement(line) for line in requirements]
    while todo:
        one = todo.pop()
        key = (re.sub(r"[-_.]+", "-", one.name).lower(), frozenset(one.extras))
        if key in known or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        known.add(key)
        for line in metadata.requires(key[0]) or []:
            below = Requirement(line)
            if below.marker is None or any(below.marker.evaluate({"extra": e}) for e in one.extras or {""}):
                below.marker = None
                todo.append(below)
    return {name for name, _ in known}


@pytest.fixture(scope="session")
def lean(once: Once) -> Path:
    """The Python of that environment; its packages are links to those of this one."""

    def build(folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        [site] = folder.glob("lib/python*/site-packages")
        for name in needed(PROJECT["dependencies"]):
            found = metadata.distribution(name)
            for top in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
                if not (site / top).exists():
                    (site / top).symlink_to(found.locate_file(top))
        # The package itself, as `pip install --editable` leaves it.
        (site / "mlilt.pth").write_text(str(ROOT))
        own = metadata.distribution("mlilt")
        [info] = {file.parts[0] for file in own.files or [] if file.parts[0].endswith(".dist-info")}
        (site / info).symlink_to(own.locate_file(info))

    return once("lean", build) / "bin" / "python"


@pytest.fixture
def mlilt(lean: Path, workplace: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command there."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(lean), "-m", "mlilt", *map(str, arguments)]
        return subprocess.run(
            command, cwd=workplace, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=False
        )

    return run


def test_extras_are_not_there(lean: Path) -> None:
    names = [re.split(r"[\[>]", line)[0] for line in PROJECT["optional-dependencies"]["train"]]
    assert {"datasets", "sacrebleu", "sentencepiece", "matplotlib"} <= set(names)
    # Jinja comes with torch.
    absent = set(names) - needed(PROJECT["dependencies"])
    assert set(names) - absent <= {"jinja2"}
    code = "import importlib.util as u, json, sys; print(json.dumps([n for n in sys.argv[1:] if u.find_spec(n)]))"
    modules = {"protobuf": "google"}
    command = [str(lean), "-c", code, *(modules.get(name, name) for name in absent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_pictures_are_indexed_and_searched(real: Path, mlilt: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    Path("pictures").mkdir()
    for number in range(4):
        Image.effect_noise((90, 60), 20 + number).save(f"pictures/{number}.png")
    built = mlilt("index", real, "pictures", "--out", "index", "--offline")
    assert built.returncode == 0, built.stderr
    for asked in (["mbwa"], ["--image", "pictures/1.png"]):
        done = mlilt("search", "index", *asked, "--json", "--offline")
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["hits"]) == 4
    for command in (
        ["export", real, "--to", "merged", "--out", "export", "--offline"],
        ["languages"],
        ["doctor", "--offline"],
    ):
        done = mlilt(*command)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [["prep", "--lang", "sw"], ["compare"], ["languages", "--lang", "sw"]])
def test_what_needs_more_says_what_to_install(
    command: list[str], mlilt: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = mlilt(*command)
    assert done.returncode == 2
    assert "pip install 'mlilt[train]'" in done.stderr
    assert "Traceback" not in done.stderr
