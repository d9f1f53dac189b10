"""The Python examples of the docs that use a finished run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def _said(page: str, place: Path) -> list[str]:
    """What all examples of a page print, run one after the other."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_python_example_runs(real: Path, files: Path, workplace: Path) -> None:
    shutil.copytree(real, workplace / "runs" / "sw-layernorm-s0")
    assert files.relative_to(workplace) == Path("pictures")
    said = _said("search.md", workplace)
    assert said[0] == "10 pictures, 0 files that cannot be read"
    assert [line.split()[0] for line in said[1:4]] == ["1", "2", "3"]
    assert len(said) == 5


def test_the_examples_of_exports_and_other_benchmarks_run(real: Path, tmp_path: Path) -> None:
    shutil.copytree(real, tmp_path / "runs" / "sw-layernorm-s0")
    [files] = _said("export.md", tmp_path)
    assert files == str(
        ["README.md", "export.json", "projections.json", "projections.safetensors", "run.json", "text", "vision"]
    )
    about, shape = _said("other-benchmarks.md", tmp_path)
    assert about.endswith("['XM3600T2IRetrieval', 'XM3600I2TRetrieval']")
    assert shape == "torch.Size([1, 64])"
