"""What a finished run is worth beyond its own test split: one module a test, by the file's name.

Each test gives values by item (`Measured`), which are kept in the run's folder, so that runs can be compared item by
item. What needs no training (the text tower's bitext, the vision tower's neighbours) is measured of the base towers
too: that is "before".
"""

from mlilt.assessment._assess import assess, base_key, before, names
from mlilt.assessment._base import Measured
from mlilt.assessment._table import HEADER, Figure, figures, lines, report, unasked

__all__ = [
    "HEADER",
    "Figure",
    "Measured",
    "assess",
    "base_key",
    "before",
    "figures",
    "lines",
    "names",
    "report",
    "unasked",
]
