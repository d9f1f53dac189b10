"""What of mlilt is installed only if asked for."""

from __future__ import annotations

import re
from importlib import metadata

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+).*;\s*extra\s*==\s*['\"](?P<extra>[\w-]+)['\"]")


def of(module: str | None) -> str | None:
    """The extra that brings a module, such as "train" for "matplotlib.figure"; None if none does."""
    wanted = (module or "").partition(".")[0]
    for line in metadata.requires("mlilt") or []:
        found = _REQUIREMENT.match(line)
        if found and re.sub(r"[-_.]+", "_", found["name"]).lower() == wanted.lower():
            return found["extra"]
    return None
