"""Search in a browser or by HTTP: a page, an API, and the server of both."""

from __future__ import annotations

from mlilt.serving.app import create_app
from mlilt.serving.limits import Limits
from mlilt.serving.served import Served
from mlilt.serving.server import serve

__all__ = ["Limits", "Served", "create_app", "serve"]
