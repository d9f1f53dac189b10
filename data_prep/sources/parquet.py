"""The user's own table in Parquet: --source parquet:FILE."""

from __future__ import annotations

from data_prep.sources._own import TableFile

NAME = "parquet"
SOURCE = TableFile(NAME, "Parquet")
