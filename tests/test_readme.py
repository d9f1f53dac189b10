from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlilt.cli.main import build

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(workplace: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"'[^']+'|\"[^\"]+\"", done.stdout)) == 5


@pytest.mark.parametrize("line", re.findall(r"^mlilt (.*?)(?: +#.*)?$", README, re.MULTILINE))
def test_the_commands_it_names_are_there(line: str, workplace: Path) -> None:
    command, *options = line.split()
    said = CliRunner().invoke(build(), [command, "--help"])
    assert said.exit_code == 0, said.output
    for option in options:
        assert not option.startswith("--") or option in said.output
