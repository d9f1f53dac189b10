"""The built wheel, not the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel alone was unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def python(installed: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_languages_are_in_it(installed: Path) -> None:
    code = "import data_prep; print(data_prep.__file__); print(*(l.code for l in data_prep.load_languages()))"
    where, codes = python(installed, code).splitlines()
    assert Path(where).is_relative_to(installed)
    assert set(codes.split()) == {path.stem for path in (ROOT / "languages").glob("*.toml")}


def test_templates_strategies_and_catalog_are_in_it(installed: Path) -> None:
    code = (
        "import jinja2; e = jinja2.Environment(loader=jinja2.PackageLoader('mlilt.comparison'))\n"
        "print(*sorted(e.list_templates()))\n"
        "from mlilt import strategies; from mlilt.towers import catalog\n"
        "print(*strategies.names(), *strategies.presets.names())\n"
        "print(*catalog.names('text'), *catalog.names('vision'))"
    )
    templates, strategies, towers = python(installed, code).splitlines()
    assert set(templates.split()) == {path.name for path in (ROOT / "mlilt" / "comparison" / "templates").iterdir()}
    assert {"index.html", "report.md"} <= set(templates.split())
    assert {"layernorm", "full", "clip", "lilt-da"} <= set(strategies.split())
    assert {"e5-small", "efficientnet-lite0"} <= set(towers.split())


def test_experiments_are_in_it(installed: Path) -> None:
    code = (
        "from mlilt.comparison import experiment as e; print(e.__file__); print(*e.names())\n"
        "print(*(e.find(name).title for name in e.names()), sep='|')"
    )
    where, names, titles = python(installed, code).splitlines()
    assert Path(where).is_relative_to(installed)
    root = ROOT / "experiments"
    assert set(names.split()) == {p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.toml")}
    assert len(set(titles.split("|"))) == len(names.split())


def test_nothing_but_the_packages_is_in_it(installed: Path) -> None:
    found = {path.name for path in installed.iterdir()}
    assert {name for name in found if not name.endswith(".dist-info")} == {"mlilt", "data_prep", "languages"}


def test_the_search_page_and_its_languages_are_in_it(installed: Path) -> None:
    code = (
        "from importlib import resources; from mlilt.serving import interface\n"
        "print(*sorted(p.name for p in (resources.files('mlilt.serving') / 'page').iterdir()))\n"
        "print(*interface.texts())"
    )
    page, languages = python(installed, code).splitlines()
    assert page.split() == ["app.js", "index.html", "style.css"]
    assert {"sw", "yo", "am", "en", "ar", "he"} <= set(languages.split())
