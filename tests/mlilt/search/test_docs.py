"""The examples of docs/search.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs" / "search.md"


def test_the_python_example_runs(real: Path, files: Path, workplace: Path) -> None:
    shutil.copytree(real, workplace / "runs" / "sw-layernorm-s0")
    assert files.relative_to(workplace) == Path("pictures")
    [code] = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "10 pictures, 0 files that cannot be read"
    assert [line.split()[0] for line in said[1:4]] == ["1", "2", "3"]
    assert len(said) == 5
