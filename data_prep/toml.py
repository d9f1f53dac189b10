"""TOML files, as everyone who lets a user write one reads them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from data_prep.errors import UserError


def read(path: Path) -> dict[str, Any]:
    """What a file says, not yet checked.

    Raises:
        UserError: there is no such file, or it is no TOML in UTF-8.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    # Bytes that are no UTF-8 and numbers of thousands of digits are ValueErrors too; lists may be nested too deep.
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid TOML in UTF-8: {error}") from error
