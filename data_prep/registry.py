"""Finds plug-in modules by scanning their package: the file name is the name, there is no list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from data_prep.errors import UnknownNameError


def names(package: ModuleType) -> list[str]:
    """Public names of a package's modules, dashes for underscores, sorted. Imports none of them."""
    return sorted(
        m.name.replace("_", "-") for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")
    )


def module(package: ModuleType, name: str, kind: str) -> ModuleType:
    """Imports the module behind a public name.

    Raises:
        UnknownNameError: no such module; the message suggests the nearest names.
    """
    if name not in names(package):
        raise UnknownNameError(kind, name, names(package))
    return importlib.import_module(f"{package.__name__}.{name.replace('-', '_')}")
