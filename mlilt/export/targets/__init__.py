"""What a run can be written for, one module each."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Protocol, cast

from data_prep.errors import UnknownNameError
from mlilt.export.parts import Parts


class Target(Protocol):
    """What a module of this folder holds."""

    NEEDS: tuple[str, ...]
    """Python packages that writing takes, beside those that mlilt has anyway; the extra `export` brings them."""
    USE: str
    """Python code for the card: loads the folder `FOLDER` and encodes a text and a picture, by public calls alone."""

    HUB_USE: str
    """The same once it lies on the hub as `FOLDER`."""

    def named(self, folder: Path, place: str) -> dict[str, bytes]:
        """Files of an export that name the folder they lie in, as they have to be on the hub, where it is `place`."""
        ...

    def write(self, parts: Parts, folder: Path, final: Path) -> None:
        """Writes all files but the card into `folder`, which becomes `final` once it is whole.

        Raises:
            UserError: the run cannot be written so.
        """
        ...


def names() -> list[str]:
    """All targets."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> Target:
    """The module of a target; its name may be spelled with hyphens, as its package's is.

    Raises:
        UnknownNameError: there is none of this name.
    """
    module = name.replace("-", "_")
    if module not in names():
        raise UnknownNameError("export", name, names())
    return cast(Target, importlib.import_module(f"{__name__}.{module}"))
