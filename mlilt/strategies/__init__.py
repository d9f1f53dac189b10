"""Ways to align a tower: each decides which of its parameters train, and may wrap or add modules. One module each.

The file name is the name. A module holds `STRATEGY`, a class made from its options. Several compose with `+`; pairs
for both towers have names in `presets`.
"""

from __future__ import annotations

from mlilt.strategies import _presets as presets
from mlilt.strategies._adapter import Adapter
from mlilt.strategies._apply import apply
from mlilt.strategies._base import Account, NothingToTrain, Strategy, trained_parameters
from mlilt.strategies._spec import Composition, Option, canonical, load, name_of, names, options, summary

__all__ = [
    "Account",
    "Adapter",
    "Composition",
    "NothingToTrain",
    "Option",
    "Strategy",
    "apply",
    "canonical",
    "load",
    "name_of",
    "names",
    "options",
    "presets",
    "summary",
    "trained_parameters",
]
