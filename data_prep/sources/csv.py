"""The user's own table in CSV: --source csv:FILE."""

from __future__ import annotations

from data_prep.sources._own import TableFile

NAME = "csv"
SOURCE = TableFile(NAME, "CSV")
