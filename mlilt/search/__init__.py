"""Search for pictures by text or by picture: an index of them by a finished run, and what asks it."""

from __future__ import annotations

from mlilt.search.build import Built, build
from mlilt.search.index import Hit, SearchIndex, open_index

__all__ = ["Built", "Hit", "SearchIndex", "build", "open_index"]
