"""The user's own table in JSON Lines: --source jsonl:FILE."""

from __future__ import annotations

from data_prep.sources._own import TableFile

NAME = "jsonl"
SOURCE = TableFile(NAME, "JSON Lines")
