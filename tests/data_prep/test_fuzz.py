"""Random changes of what no source's own test changes: languages, pictures, archives, tables that are fetched."""

from __future__ import annotations

import io
import zipfile
from importlib import resources
from pathlib import Path

import pytest
from PIL import Image

from data_prep import pictures, unpack
from data_prep.errors import UserError
from data_prep.languages import read_language
from data_prep.pictures import PictureError
from data_prep.records import DropLog
from tests import fuzzing
from tests.data_prep.conftest import Miniature, deb, tgz, zipped


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "SVG"])
def test_pictures(kind: str) -> None:
    if kind == "SVG":
        seed = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="9" height="9"/></svg>'
    else:
        out = io.BytesIO()
        picture = Image.effect_noise((40, 30), 50)
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.convert("P" if kind == "GIF" else "RGB").save(out, kind, **({"exif": exif} if kind == "JPEG" else {}))
        seed = out.getvalue()
    found = fuzzing.fuzz(f"pictures, {kind}", seed, lambda case: pictures.decode(case), (PictureError,))
    assert found.total() == fuzzing.CASES


def test_a_language(tmp_path: Path) -> None:
    seed = (resources.files("languages") / "sw.toml").read_bytes()
    fuzzing.fuzz("language", seed, fuzzing.of_file(tmp_path, "sw.toml", read_language))


MEMBERS = {"a/b.txt": b"mbwa" * 50}
ARCHIVES = {
    "tar": tgz(MEMBERS, ""),
    "tar.gz": tgz(MEMBERS),
    "tar.bz2": tgz(MEMBERS, "bz2"),
    "tar.xz": tgz(MEMBERS, "xz"),
    "zip": zipped(MEMBERS),
    "whl": zipped(MEMBERS, zipfile.ZIP_STORED),
    "deb": deb(tgz(MEMBERS), tgz(MEMBERS)),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives(kind: str, tmp_path: Path) -> None:
    number = iter(range(fuzzing.CASES))

    def read(path: Path) -> None:
        unpack.unpack(path, tmp_path / f"out-{next(number)}", lambda name: name)

    fuzzing.fuzz(f"archive, {kind}", ARCHIVES[kind], fuzzing.of_file(tmp_path, f"a.{kind}", read), (UserError,))
    # Whatever was written lies below the folders that were named.
    assert {path.name for path in tmp_path.iterdir()} <= {f"a.{kind}", *(f"out-{n}" for n in range(fuzzing.CASES))}


@pytest.mark.parametrize("name", ["cldr-emoji", "flags", "tuxpaint"])
def test_sources_that_are_fetched(name: str, miniature: Miniature) -> None:
    source = miniature.sources[name]
    files = {resource.name: miniature.files[resource.name] for resource in source.about.resources}
    tables = [
        path for folder in files.values() for path in sorted(folder.rglob("*")) if path.suffix in {".json", ".txt"}
    ]
    assert tables
    for path in tables:
        fuzzing.fuzz_in_place(name, path, lambda: list(source.examples("sw", files, DropLog())))
